import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { asc } from 'drizzle-orm'
import t from 'tap'
import { statusKindOf } from '../../src/import/status-columns.js'
import { PASSWORD, type Service } from '../helper.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const PAST = '2023-05-05 10:00:00'
const FUTURE = '2099-01-01T00:00:00Z'

/** Columns that can disable an account, each with its usual value and a value that disables the account. */
const BARS: [column: string, usual: unknown, barred: unknown][] = [
  ['deleted_at', null, PAST],
  ['DeleteAt', 0, 1_656_155_025_123],
  ['discardedAt', '', PAST],
  ['banned', 'N', 'Y'],
  ['banned_until', PAST, FUTURE],
  ['lock-expires-at', null, 'infinity'],
  ['locked_at', 'NULL', PAST],
  ['IS DELETED', 0, 1],
  ['isblocked', false, 'true'],
  ['suspended_by', null, 7],
  [' is_enabled', 1, 0],
  ['accountNonLocked', 't', 'f'],
  ['account_status', 'active', 'banned'],
  ['approved', 'yes', null],
  ['valid_until', FUTURE, PAST],
  ['탈퇴여부', 'N', 'Y'],
  ['use_yn', 'Y', 'N'],
  ['mb_leave_date', '', '20230505'],
  ['withdraw_yn', 'N', 'Y'],
  ['no_login', 0, 1],
  ['unlocked', 1, 0],
  ['unlock_at', PAST, FUTURE],
  ['user_type', 'member', 'Banned'],
  ['auth', 'manual', 'nologin'],
  ['roles', '["user"]', '["user","suspended"]'],
  ['fields.is_active', 'true', 'false'],
  ['app_metadata.blocked', null, 'true'],
]

t.test('an account that a status column disables is disabled here, and the report names the column', async (t) => {
  const { run, startService, file } = await installation(t)
  const source = await openFile(t, file)
  const names = BARS.map(([column]) => `"${column}"`)
  source.exec(`create table users (id integer primary key, username text, password text, ${names.join(', ')})`)
  const insert = source.prepare(`insert into users values (null, ?, ?${', ?'.repeat(BARS.length)})`)
  const stored = await bcryptHash(PASSWORD, 4)
  const bind = (value: unknown) => (typeof value === 'boolean' ? Number(value) : value)
  const usual = BARS.map(([, value]) => value)
  insert.run('welcome', stored, ...usual.map(bind))
  for (const [index, [, , barred]] of BARS.entries()) {
    insert.run(`barred${index}`, stored, ...usual.with(index, barred).map(bind))
  }
  const { code, stdout, stderr } = await run(['import', file, '--apply', '--json'])
  t.equal(code, 0, stderr)
  const { status, disabled, unclear, columns } = JSON.parse(stdout)
  t.equal(disabled, BARS.length)
  t.same(unclear, [])
  t.same(columns, { used: { id: 'id', username: 'username', password: 'password' }, unused: [] })
  t.same(
    status.map(({ column, disables }: { column: string; disables: number }) => [column, disables]),
    BARS.map(([column]) => [column, 1]),
  )
  const service = await startService()
  await service.logIn('welcome')
  for (const [index, [column]] of BARS.entries()) {
    t.equal((await tryPassword(service, `barred${index}`, PASSWORD)).statusCode, 401, column)
  }
})

/** Values, and whether they let a user log in: in a column for active users, and in a column for banned users. */
const VALUES: [value: string, ifActive: boolean, ifBanned: boolean][] = [
  ...['0', '0.0', ' 0', '0x00', "b'0'", '\\0', '\\x00', 'f', 'False', 'false ', 'n', 'No', 'OFF'].map(no),
  ...['FAUX', 'FALSCH', 'falso', 'ЛОЖЬ', '아니오', 'いいえ', '否', 'Nein', '', ' ', 'NULL', '\\N', 'None', 'nan'].map(
    no,
  ),
  ...['(null)', '<null>', '0000-00-00 00:00:00', '0001-01-01T00:00:00Z'].map(no),
  ...['1', '1.0', "b'1'", '\\x01', 't', 'TRUE', 'y', 'Yes', 'on', 'VRAI', 'wahr', '예', 'はい', '是'].map(yes),
  ...[PAST, '2023-05-05 10:00:00.123+09', '1656155025', '1656155025123'].map(yes),
  ...['active', 'Enabled', 'OK', '정상'].map(yes),
  ...['inactive', 'disabled', 'blocked', '-', '2', 'maybe', FUTURE, '253402300799', '{"a":1}', 'on hold'].map(neither),
]

function no(value: string): [string, boolean, boolean] {
  return [value, false, true]
}

function yes(value: string): [string, boolean, boolean] {
  return [value, true, false]
}

function neither(value: string): [string, boolean, boolean] {
  return [value, false, false]
}

t.test('only a clear yes is active, only a clear no is not banned, and other values are named', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  for (const [column, names] of [
    ['is_active', 'active'],
    ['banned', 'banned'],
  ]) {
    const rows = VALUES.map(([value], index) => `${names}${index},${stored},"${value.replaceAll('"', '""')}"`)
    await writeFile(join(folder, `${names}.csv`), ['username,password,', column, '\n', rows.join('\n'), '\n'].join(''))
    const { code, stdout, stderr } = await run(['import', `${names}.csv`, '--name', `${names}`, '--apply'])
    t.equal(code, 0, stderr)
    t.match(stdout, /of them because of an unknown value: .*"maybe" \(1\)/)
  }
  const service = await startService()
  const isActive = await activeByName(service)
  for (const [index, [value, ifActive, ifBanned]] of VALUES.entries()) {
    t.equal(isActive.get(`active${index}`), ifActive, `is_active is ${JSON.stringify(value)}`)
    t.equal(isActive.get(`banned${index}`), ifBanned, `banned is ${JSON.stringify(value)}`)
  }
})

t.test('a column that may mean anything stops the import until it is explained', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const people = [
    ['ann', 'A', 1],
    ['bob', 'S', 0],
    ['cat', 'T', 3],
  ]
  const lines = people.map(([name, state, count]) => `${name},${stored},${state},${count}`)
  await writeFile(join(folder, 'people.csv'), `username,password,state,ban_count\n${lines.join('\n')}\n`)
  const stopped = await run(['import', 'people.csv', '--apply'])
  t.equal(stopped.code, 1)
  t.match(stopped.stdout, /3 {2}with a value in state whose meaning is unclear: "a" \(1\), "s" \(1\), "t" \(1\)/)
  t.match(
    stopped.stdout,
    /Nothing was written: explain what state, ban_count mean: --map active=state or --map disabled/,
  )
  t.match(stopped.stdout, /--ignore-column state --ignore-column ban_count/)
  const asJson = await run(['import', 'people.csv', '--map', 'disabled=ban_count', '--json'])
  t.equal(asJson.code, 1)
  t.same(JSON.parse(asJson.stdout).unclear, ['state'])
  t.match(asJson.stderr, /explain what state means/)
  for (const wrong of [
    ['--ignore-column', 'nothing'],
    ['--map', 'disabled=nothing'],
  ]) {
    const { code, stderr } = await run(['import', 'people.csv', ...wrong])
    t.equal(code, 1)
    t.match(stderr, /users has no such column; its columns are username, password, state, ban_count/)
  }
  const service = await startService()
  t.same([...(await activeByName(service))], [], 'no account was imported')

  const explained = ['--map', 'active=state:A|T', '--map', 'disabled=ban_count']
  const done = await run(['import', 'people.csv', '--apply', ...explained])
  t.equal(done.code, 0, done.stderr)
  t.match(done.stdout, /2 {2}disabled: ban_count.*\n *1 {2}of them because of an unknown value: "3" \(1\)/)
  t.same(
    [...(await activeByName(service))],
    [
      ['ann', false],
      ['bob', false],
      ['cat', false],
    ],
  )
  const ignored = ['--name', 'again', '--ignore-column', 'ban_count', '--map', 'active=state:A|T']
  await writeFile(join(folder, 'more.csv'), `username,password,state,ban_count\ndan,${stored},T,3\neve,${stored},S,0\n`)
  t.equal((await run(['import', 'more.csv', '--apply', ...ignored])).code, 0)
  const now = await activeByName(service)
  t.same([now.get('dan'), now.get('eve')], [true, false])
})

t.test('a column that may disable accounts has to be explained only if its values would disable one', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const columns = ['staged', 'confirmed_at', 'active_at', 'end_date', 'ban_count', 'state', 'city']
  const usual = ['f', PAST, PAST, '', '0', 'NY', 'Albany']
  const asked = ['t', '', '', PAST, '3', '2', 'Albany']
  const write = (rows: string[][]) => {
    const lines = rows.map((row, index) => [`user${index}`, stored, ...row].join(','))
    return writeFile(join(folder, 'people.csv'), `username,password,${columns.join(',')}\n${lines.join('\n')}\n`)
  }
  await write(asked.map((value, index) => usual.with(index, value)))
  const stopped = await run(['import', 'people.csv', '--apply', '--json'])
  t.equal(stopped.code, 1)
  t.same(JSON.parse(stopped.stdout).unclear, columns.slice(0, -1))
  await write([usual, usual.with(5, 'banned'), usual.with(5, 'New York')])
  const done = await run(['import', 'people.csv', '--apply'])
  t.equal(done.code, 0, done.stdout)
  const people = await activeByName(await startService())
  t.same(Object.fromEntries(people), { user0: true, user1: false, user2: true })
})

t.test('columns about something else do not stop an import', (t) => {
  const others = `id username email password name first_name last_login date_joined created_at updated_at is_staff is_admin
    email_verified_at email_confirmed is_verified remember_token reset_token_expires password_expires_at lock_version
    LockoutEnabled status_updated_at statusMessage active_team_id silenced_till user_activation_key
    unlock_token two_factor_enabled mfa_enabled last_active_at marital_status billing_state banner interactive locale
    sign_in_count phone avatar_url fs_uniquifier bio estate`
  for (const column of others.trim().split(/\s+/)) t.equal(statusKindOf(column), undefined, column)
  for (const column of ['pending', 'ban_count', 'deletedthing', 'is_shadow_banned', 'blockedUsers', 'shadowbanned']) {
    t.equal(statusKindOf(column), 'maybeDisabled', column)
  }
  t.equal(statusKindOf('confirmed_at'), 'maybeActive')
  t.equal(statusKindOf('enabled_features'), 'unclear')
  t.end()
})

async function activeByName({ app: { database } }: Service): Promise<Map<string, boolean>> {
  const { users } = database.tables
  const rows = await database.db.select().from(users).orderBy(asc(users.username))
  return new Map(rows.map(({ username, isActive }) => [String(username), isActive]))
}
