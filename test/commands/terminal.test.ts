// On SQLite alone: the commands run on a SQLite file.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { printable } from '../../src/terminal.js'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'
import { call } from '../support/calls.js'
import { latchkey } from '../support/child.js'
import { ask } from '../support/sqlite.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const HOSTILE = {
  'a screen that is cleared': '\u001b[2J',
  'a clipboard that is written': '\u001b]52;c;ZXZpbA==\u0007',
  'a C1 sequence': '\u009b1A',
  'a second line': 'x)\r\n       9  admin  active    root (',
  'a line separator': 'x\u2028y\u2029',
  'text that runs backwards': '\u202enimda\u2066',
  'what nobody sees': 'a\u200b\u200d\ufeff\u3164\u{e0041}',
}
const EVERYTHING = Object.values(HOSTILE).join('')
/** All of the above, escaped as the commands print it. */
const ESCAPED =
  '\\u001b[2J\\u001b]52;c;ZXZpbA==\\u0007\\u009b1Ax)\\u000d\\u000a       9  admin  active    root (' +
  'x\\u2028y\\u2029\\u202enimda\\u2066a\\u200b\\u200d\\ufeff\\u3164\\u{e0041}'

t.test('accounts whose names attack the terminal are printed escaped', async (t) => {
  const { folder, run, startService } = await installation(t)
  const service = await startService()
  const { db, tables } = service.app.database
  // Rows from an older version, which did not compare user names with addresses: the second user's address is the first
  // user's name.
  for (const trigger of ['insert', 'update']) {
    await ask(service, sql.raw(`drop trigger users_names_${trigger}`))
  }
  await db
    .insert(tables.users)
    .values([
      person({ username: EVERYTHING, usernameKey: 'eve', email: `${EVERYTHING}@x`, name: EVERYTHING }),
      person({ username: EVERYTHING, usernameKey: 'zed', email: 'EVE', emailKey: 'eve' }),
    ])
  await service.app.close()

  const list = await run(['users', 'list'])
  t.same(list.stdout.trimEnd().split('\n'), [
    `       1  user   active    ${ESCAPED} ${ESCAPED}@x (${ESCAPED})`,
    `       2  user   active    ${ESCAPED} EVE`,
  ])
  const json = await run(['users', 'list', '--json'])
  const [first] = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(
    first,
    { username: EVERYTHING, email: `${EVERYTHING}@x`, name: EVERYTHING },
    'the JSON has the names unchanged',
  )
  t.equal(JSON.parse((await run(['users', 'show', 'zed', '--json'])).stdout).username, EVERYTHING)

  t.equal((await run(['users', 'disable', 'zed'])).stdout, `${ESCAPED} (id 2) is disabled, with the role user.\n`)
  const ambiguous = await run(['users', 'enable', 'eve'])
  t.match(ambiguous.stderr, `${ESCAPED} (id 1) or ${ESCAPED} (id 2)`)

  await writeFile(
    join(folder, 'people.jsonl'),
    [EVERYTHING, `${EVERYTHING}A`, `${EVERYTHING}a`]
      .map((username, id) => `${JSON.stringify({ id, username, password: PASSWORD })}\n`)
      .join(''),
  )
  const report = await run(['import', 'people.jsonl'])
  t.match(report.stdout, 'with invisible characters in a name')
  t.match(report.stdout, 'names or addresses that several people share')
  t.match(report.stdout, '\\u202enimda')
})

t.test('messages that quote what was typed are printed escaped', async (t) => {
  const { run } = await installation(t)
  await run(['migrate'])
  const calls: [args: string[], settings?: Record<string, string>][] = [
    [[EVERYTHING]],
    [['serve', `--${EVERYTHING}`]],
    [['users', EVERYTHING]],
    [['users', 'show', EVERYTHING]],
    [['users', 'list', EVERYTHING]],
    [['keys', 'retire', '--kid', EVERYTHING]],
    [['backup', `./none/${EVERYTHING}`]],
    [['copy', '--from', `sqlite:${EVERYTHING}`, '--to', 'sqlite:./b.db']],
    [['copy', '--from', EVERYTHING.replaceAll(':', ''), '--to', 'sqlite:./b.db']],
    [['import', `./${EVERYTHING}.csv`]],
    [['config'], { OTEL_SERVICE_NAME: EVERYTHING }],
    [['serve'], { DATABASE_URL: 'sqlite:./\u202e/\u200b/latchkey.db', MIGRATE_ON_START: 'off' }],
  ]
  for (const [args, settings] of calls) {
    const child = await run(args, settings)
    t.match(`${child.stdout}${child.stderr}`, /\\u001b|\\u202e/, printable(args.join(' ')))
  }
})

function person(names: object) {
  return { passwordHash: '!', createdAt: 0, updatedAt: 0, ...names }
}

/** Runs commands in a new folder, and checks that they print only plain lines. */
async function installation(t: Test) {
  const folder = await temporaryFolder(t)
  const DATABASE_URL = `sqlite:${join(folder, 'latchkey.db')}`
  return {
    folder,
    startService: () => startService(t, { DATABASE_URL }),
    async run(args: string[], more: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
      const surroundings = { folder, settings: { DATABASE_URL, ...more } }
      // `serve` may not exit, so it runs in its own process, which is killed after the test.
      const isStart = args[0] === 'serve'
      const child = isStart ? await latchkey(t, args, surroundings) : await call(args, surroundings)
      if ('exit' in child) await child.exit
      const printed = child.stdout + child.stderr
      // tap's report loses an assertion whose text contains a line separator.
      const said = printable(args.join(' '))
      t.notMatch(printed, /[^\P{C}\n]|\p{Zl}|\p{Zp}|\u3164/u, `${said}: nothing for the terminal to obey`)
      t.notMatch(printed, /^ +9 {2}admin/m, 'no forged line')
      return child
    },
  }
}
