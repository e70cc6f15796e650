// On SQLite alone: the command runs on a SQLite file.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')
/** util-linux: runs a command on a terminal of its own. */
const SCRIPT = '/usr/bin/script'
const PROMPT = /(?:Password|Repeat the password): /g
const CREATE = ['users', 'create', '--username', 'ada']

t.test('a byte order mark and a line end are not part of the password', async (t) => {
  for (const input of [`\ufeff${PASSWORD}\r\n`, `\ufeff${PASSWORD}`, `${PASSWORD}\r\n`, `${PASSWORD}\nmore`]) {
    const { folder, run } = await installation(t)
    const made = await run(process.execPath, [CLI, ...CREATE], { input })
    t.equal(made.code, 0, made.output)
    t.match(made.output, /with id 1 in \/.*latchkey\.db\./, 'the database is named')
    const service = await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}` })
    await service.logIn('ada', PASSWORD)
    await service.app.close()
  }
})

t.test('a password with blanks at either end or not in UTF-8 is rejected, and no account is created', async (t) => {
  const { folder, run } = await installation(t)
  const utf16 = Buffer.from(`\ufeff${PASSWORD}\r\n`, 'utf16le')
  const refused: [input: string | Buffer, says: RegExp][] = [
    [`${PASSWORD} \n`, /begins or ends with a space/],
    [`\t${PASSWORD}\r\n`, /begins or ends with a space/],
    [`${PASSWORD}\u00a0`, /begins or ends with a space/],
    [utf16, /not UTF-8 text/],
    ['', /no password was given/],
  ]
  for (const [input, says] of refused) {
    const { code, output } = await run(process.execPath, [CLI, ...CREATE], { input })
    t.equal(code, 1, JSON.stringify(input))
    t.match(output, says)
  }
  t.notOk(existsSync(join(folder, 'latchkey.db')))
})

const skip = existsSync(SCRIPT) ? false : `no ${SCRIPT}`

t.test('a terminal prompts twice without echo, and Ctrl-C ends the command quietly', { skip }, async (t) => {
  const { run } = await installation(t)
  const command = ['-qec', [process.execPath, CLI, ...CREATE].join(' '), '/dev/null']
  const mistyped = await run(SCRIPT, command, { keys: [`${PASSWORD}\r`, 'three quiet lantern\r'] })
  t.equal(mistyped.code, 1)
  t.match(mistyped.output, /the two passwords differ/)
  const interrupted = await run(SCRIPT, command, { keys: ['three\u0003'] })
  t.equal(interrupted.code, 130)
  t.match(interrupted.output.trim(), /^Database: \S+\s+Password:$/)
  const made = await run(SCRIPT, command, { keys: [`${PASSWORD}\r`, `${PASSWORD}\r`] })
  t.equal(made.code, 0, made.output)
  t.match(made.output, /Password: \s+Repeat the password: \s+Created the user ada with id 1/)
})

interface Input {
  /** All of standard input. */
  input?: string | Buffer
  /** What the user types; each text follows a prompt. */
  keys?: string[]
}

async function installation(t: Test) {
  const folder = await temporaryFolder(t)
  const env = { PATH: process.env.PATH, DATABASE_URL: `sqlite:${join(folder, 'latchkey.db')}`, BCRYPT_COST: '10' }
  return {
    folder,
    async run(command: string, args: string[], { input, keys = [] }: Input) {
      const child = spawn(command, args, { cwd: folder, env })
      t.teardown(() => child.kill('SIGKILL'))
      let output = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
      child.stdin.on('error', () => {})
      if (input !== undefined) child.stdin.end(input)
      for (const [index, text] of keys.entries()) {
        while ((output.match(PROMPT) ?? []).length <= index && child.exitCode === null) await sleep(20)
        child.stdin.write(text)
      }
      const code = await ended
      t.notMatch(output, PASSWORD, 'the password is not shown')
      return { code, output }
    },
  }
}
