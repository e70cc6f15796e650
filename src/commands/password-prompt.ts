import { constants } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CommandError } from '../command-error.js'

/** Matches text in another encoding than UTF-8: PowerShell 5.1 writes files in UTF-16. */
const UNREADABLE = /[\0\ufffd]/

/**
 * Reads a new password: the first line of standard input, without its line break and byte order mark. On a terminal,
 * asks twice without echo; Ctrl-C exits the process.
 * @throws CommandError if there is no password, or if it is probably a mistake
 */
export async function readNewPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal })
  lines.on('SIGINT', () => {
    lines.close()
    process.stderr.write('\n')
    process.exit(128 + constants.signals.SIGINT)
  })
  const iterator = lines[Symbol.asyncIterator]()
  const ask = async (prompt: string): Promise<string> => {
    if (isTerminal) process.stderr.write(prompt)
    const { done, value } = await iterator.next()
    if (isTerminal) process.stderr.write('\n')
    if (done) throw new CommandError('no password was given on standard input')
    return value.replace(/^\ufeff/, '')
  }
  try {
    const password = await ask('Password: ')
    if (UNREADABLE.test(password)) throw new CommandError('standard input is not UTF-8 text')
    // An editor or `echo` may have added a space, which would have to be typed at every log-in.
    if (password !== password.trim())
      throw new CommandError('the password begins or ends with a space; nothing was changed')
    if (isTerminal && (await ask('Repeat the password: ')) !== password) {
      throw new CommandError('the two passwords differ; nothing was changed')
    }
    return password
  } finally {
    lines.close()
  }
}
