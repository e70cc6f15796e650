import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { UsageError } from './usage-error.js'

/** The first line of standard input; on a terminal it is asked for and not shown. @throws UsageError when there is none */
export async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal })
  try {
    if (isTerminal) process.stderr.write('Password: ')
    const first = await lines[Symbol.asyncIterator]().next()
    if (isTerminal) process.stderr.write('\n')
    if (first.done) throw new UsageError('no password was given on standard input')
    return first.value
  } finally {
    lines.close()
  }
}
