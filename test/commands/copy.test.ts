import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { withDefaults } from '../../src/clients/registration.js'
import { run } from '../../src/commands/copy.js'
import { DatabaseError } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { UsageError } from '../../src/usage-error.js'
import { addTotp, ticketOf } from '../factors/people.js'
import { type Service, startService } from '../helper.js'
import { call } from '../support/calls.js'
import { freshDatabase, migratedDatabase, onServer, POSTGRES_ONLY, temporaryFolder } from '../support/databases.js'
import { bearer, until } from '../support/replica.js'
import { openFile } from '../support/sqlite.js'

t.setTimeout(120_000)

const SECRET_KEY = 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-tests'
const LONG_TRANSACTION_LOCK = 0x4c4b455a
const LONGER_THAN_A_REQUEST_S = 4

t.test('accounts, sessions, keys and rows survive a copy to another database and back', async (t) => {
  const sqlite = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const first = await startService(t, { DATABASE_URL: sqlite, SECRET_KEY })
  const [mina, joon, ended] = [await first.signUp('mina'), await first.signUp('joon'), await first.logIn('joon')]
  const hana = await first.signUp('hana')
  const gone = await first.signUp('gone')
  const authenticator = await addTotp(hana)
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const { key } = (await mina.post('/v1/me/api-keys', { name: 'backup', scope: 'todos:read', expires_at })).json()
  await first.app.clients.create('shop', withDefaults({ client_name: 'Shop' }), { id: null })
  await mina.post('/v1/todos', { title: '물 주기' })
  await mina.post('/v1/tutorials', { name: '매듭', description: '' })
  await ended.post('/v1/logout')
  await first.app.accounts.delete(gone.id, { id: null })
  const before = await contentOf(first)

  const { DATABASE_URL: target } = await freshDatabase(t)
  t.teardown(() => delete process.env.COPY_TARGET_FILE)
  process.env.COPY_TARGET_FILE = join(await temporaryFolder(t), 'address')
  await writeFile(process.env.COPY_TARGET_FILE, `${target}\n`)
  await copy(sqlite, 'COPY_TARGET')
  t.same(await contentOf(first), before, 'the source is unchanged')

  const second = await startService(t, { DATABASE_URL: target, SECRET_KEY })
  t.same(await contentOf(second), before)
  t.equal((await second.logIn('mina')).id, mina.id)
  t.equal((await second.post('/v1/refresh', { refresh_token: joon.login.refresh_token })).statusCode, 200)
  t.match((await second.get('/v1/todos', bearer(mina.token))).json().items, [{ title: '물 주기' }])
  t.match((await second.get('/v1/todos', bearer(key))).json().items, [{ title: '물 주기' }], 'with an API key')
  const [recovery_code] = authenticator.recoveryCodes
  for (const factor of [{ totp: authenticator.code() }, { recovery_code }]) {
    const answer = await second.post('/v1/login/factor', { ticket: await ticketOf(second, 'hana'), ...factor })
    t.equal(answer.statusCode, 200, Object.keys(factor).join())
  }
  t.match(await second.app.clients.list(10), [{ id: 'shop' }])
  t.equal((await second.get('/v1/verify', bearer(ended.token))).statusCode, 401, 'what was revoked stays revoked')
  t.equal((await second.post('/v1/refresh', { refresh_token: ended.login.refresh_token })).statusCode, 400)

  const back = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  await copy(target, back)
  const third = await startService(t, { DATABASE_URL: back, SECRET_KEY })
  t.same(await contentOf(third), await contentOf(second))
  for (const service of [second, third]) t.equal((await service.signUp('later')).id, gone.id + 1, 'no id is reused')
})

t.test('a copy of more rows than are read at once keeps every row with its owner', async (t) => {
  const first = await startService(t, { SECRET_KEY })
  const people = [await first.signUp('mina'), await first.signUp('joon')]
  const { db, tables } = first.app.database
  await db.insert(tables.todos).values(
    Array.from({ length: 1_201 }, (_, index) => ({
      ...{ id: index + 1, userId: people[index % 2]?.id ?? 0, title: `${index}`, version: 3 },
      ...{ createdAt: index, updatedAt: 0 },
    })),
  )
  await first.app.database.setLastId(db, 'todos', 5_000)
  const { DATABASE_URL: target } = await freshDatabase(t)
  const back = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  await copy(first.app.config.DATABASE_URL, target)
  await copy(target, back)
  const wrong = await startService(t, {
    DATABASE_URL: back,
    SECRET_KEY: 'another-Secret-0123456789-for-this',
  }).catch((error) => error)
  t.match(wrong, { constructor: DatabaseError, message: /cannot be decrypted with this SECRET_KEY/ })
  const second = await startService(t, { DATABASE_URL: back, SECRET_KEY })
  t.same(await contentOf(second), await contentOf(first))
  const joon = await second.logIn('joon')
  t.equal(
    (await joon.post('/v1/todos', { title: 'later' })).json().id,
    5_001,
    'new ids follow the highest id ever used',
  )
  t.equal((await joon.get('/v1/todos/1')).statusCode, 404)
  t.equal((await joon.get('/v1/todos/2')).statusCode, 200)
})

t.test('a copy to PostgreSQL may take longer than a request may', { skip: POSTGRES_ONLY }, async (t) => {
  const sqlite = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const mina = await (await startService(t, { DATABASE_URL: sqlite, SECRET_KEY })).signUp('mina')
  const { DATABASE_URL: target } = await freshDatabase(t)
  const lock = onServer(
    target,
    `select pg_advisory_lock(${LONG_TRANSACTION_LOCK}), pg_sleep(${LONGER_THAN_A_REQUEST_S})`,
  )
  const isHeld = async () => (await onServer(target, "select from pg_locks where locktype = 'advisory'")).length > 0
  await until(isHeld)
  await copy(sqlite, `${target}?idle_in_transaction_session_timeout=1`)
  await lock
  const second = await startService(t, { DATABASE_URL: target, SECRET_KEY })
  t.equal((await second.logIn('mina')).id, mina.id)
})

t.test('a copy that is not possible is rejected, and nothing is changed', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  const { DATABASE_URL: full } = service.app.config
  const { DATABASE_URL: empty } = await freshDatabase(t)
  await t.rejects(copy(full, full), { message: /not empty.*Choose a new file or a new PostgreSQL database for --to/ })
  const nowhere = join(await temporaryFolder(t), 'nothing.db')
  await t.rejects(copy(`sqlite:${nowhere}`, empty), {
    constructor: DatabaseError,
    message: /no database at .*: check --from and the working directory/,
  })
  t.notOk(existsSync(nowhere))
  const another = join(await temporaryFolder(t), 'another.db')
  ;(await openFile(t, another)).exec('create table users (id integer)')
  await t.rejects(copy(`sqlite:${another}`, empty), { message: /Point --from at another file/ })
  await t.rejects(copy(full, `sqlite:${another}`), { message: /Point --to at another file/ })
  await t.rejects(copy(full, 'postgres://h/d?schema=x'), { message: /^--to has the parameter schema/ })
  await t.rejects(run({ from: full }), { constructor: UsageError, message: /missing option --from or --to/ })
  await t.rejects(run({ from: full, to: 'NOT_SET' }), { constructor: UsageError, message: /NOT_SET/ })
  for (const wrong of ['file:copy.db', './a:copied.db', 'mysql://root:hunter2@h/d', 'sqlite:']) {
    const refused = await Promise.allSettled([run({ from: wrong, to: empty }), run({ from: full, to: wrong })])
    for (const [index, option] of ['--from', '--to'].entries()) {
      const { reason } = refused[index] as PromiseRejectedResult
      t.match(reason, { constructor: UsageError, message: `${option} must be sqlite:<path>` }, wrong)
      t.notMatch(reason.message, 'hunter2')
    }
  }
  t.equal((await service.logIn('mina')).login.user.username, 'mina')
})

t.test('a copy to an older installation is rejected, and does not migrate it', async (t) => {
  const service = await startService(t)
  const file = join(await temporaryFolder(t), 'latchkey.db')
  await (await openDatabase(`sqlite:${file}`, { migrate: true })).close()
  const older = await openFile(t, file)
  older.exec('delete from migrations where name > (select min(name) from migrations)')
  await t.rejects(copy(service.app.config.DATABASE_URL, `sqlite:${file}`), {
    constructor: DatabaseError,
    message: /older than this version of Latchkey/,
  })
  t.same(older.prepare('select count(*) as count from migrations').all(), [{ count: 1 }])
})

t.test('a migrated database can be copied to after commands that only read, which make no keys', async (t) => {
  const source = await startService(t, { SECRET_KEY })
  const settings = { ...(await migratedDatabase(t)), SECRET_KEY, PUBLIC_URL: 'http://latchkey.test' }
  const reads: [args: string, code: number][] = [
    ['users list', 0],
    ['users show mina', 1],
    ['clients list', 0],
    ['clients show ci', 1],
    ['api-keys list mina', 1],
    ['keys list', 0],
  ]
  for (const [args, expected] of reads) {
    const { code, stdout, stderr } = await call(args.split(' '), { settings })
    t.equal(code, expected, `${args}: ${stderr}`)
    t.equal(stdout, '', args)
  }
  await t.resolves(copy(source.app.config.DATABASE_URL, settings.DATABASE_URL))
})

t.test('a copy is rejected if a user name is the e-mail address of another account', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const first = await startService(t, { DATABASE_URL: `sqlite:${file}`, SECRET_KEY })
  const [mina, joon] = [await first.signUp('mina'), await first.signUp('joon')]
  const old = await openFile(t, file)
  // A database from before the trigger that keeps user names and addresses apart.
  old.exec('drop trigger users_names_update')
  old.exec(`update users set username = 'bob@example.com', username_key = 'bob@example.com' where id = ${mina.id}`)
  old.exec(`update users set email = 'Bob@example.com', email_key = 'bob@example.com' where id = ${joon.id}`)
  const { DATABASE_URL: target } = await freshDatabase(t)
  const message = `Bob@example.com: user name of id ${mina.id}, address of id ${joon.id}`
  await t.rejects(copy(`sqlite:${file}`, target), { constructor: DatabaseError, message: new RegExp(message) })
  const second = await startService(t, { DATABASE_URL: target, SECRET_KEY })
  t.equal(await second.app.database.db.$count(second.app.database.tables.users), 0)
  old.exec(`update users set email = null, email_key = null where id = ${joon.id}`)
})

/** The contents of a database, without what each start changes. */
async function contentOf({ app }: Service): Promise<Record<string, unknown[]>> {
  const { db, tables } = app.database
  return {
    users: await db.select().from(tables.users).orderBy(tables.users.id),
    sessions: await db.select().from(tables.sessions).orderBy(tables.sessions.id),
    signingKeys: await db.select().from(tables.signingKeys),
    throttle: await db.select().from(tables.throttle).orderBy(tables.throttle.key),
    knownNetworks: await db.select().from(tables.knownNetworks).orderBy(tables.knownNetworks.userId),
    todos: await db.select().from(tables.todos).orderBy(tables.todos.id),
    tutorials: await db.select().from(tables.tutorials).orderBy(tables.tutorials.id),
    events: await db.select().from(tables.events).orderBy(tables.events.id),
  }
}

function copy(from: string, to: string): Promise<void> {
  return run({ from, to })
}
