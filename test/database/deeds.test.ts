import { getTableName, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { LightMyRequestResponse as Response } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { POSTGRES_ONLY, SERVER_URL } from '../support/databases.js'
import { signUpAdmin } from '../support/people.js'
import { ask } from '../support/sqlite.js'

t.setTimeout(240_000)

const NEXT = 'four louder lanterns'

interface People {
  service: Service
  boss: Person
  mina: Person
  phone: Person
  token: string
}

/** Operations on accounts and rows, with the status of each if its event can be recorded. */
const DEEDS: Record<string, { status: number; act(people: People): Promise<Response> }> = {
  registering: {
    status: 201,
    act: ({ service }) => service.post('/v1/register', { username: 'hana', password: PASSWORD }),
  },
  'registering with the tutorials': {
    status: 200,
    act: ({ service }) => compat(service, '/register', { name: 'Hana', email: 'hana@example.com', password: PASSWORD }),
  },
  'logging in': {
    status: 200,
    act: ({ service, mina }) => service.post('/v1/login', credentialsOf(mina)),
  },
  'logging in with the tutorials': {
    status: 200,
    act: ({ service, mina }) => compat(service, '/login', credentialsOf(mina)),
  },
  refreshing: {
    status: 200,
    act: ({ service, mina }) => service.post('/v1/refresh', { refresh_token: mina.login.refresh_token }),
  },
  'logging out': { status: 204, act: ({ mina }) => mina.post('/v1/logout') },
  'logging out by the refresh token': {
    status: 204,
    act: ({ service, mina }) => service.post('/v1/logout', { refresh_token: mina.login.refresh_token }),
  },
  'ending another session': {
    status: 204,
    act: async ({ mina }) => {
      const { items } = (await mina.get('/v1/sessions')).json()
      return mina.delete(`/v1/sessions/${items.find(({ current }: { current: boolean }) => !current).id}`)
    },
  },
  'ending all other sessions': { status: 204, act: ({ mina }) => mina.delete('/v1/sessions') },
  'changing the name': { status: 200, act: ({ mina }) => mina.patch('/v1/me', { name: 'Mina Kim' }) },
  'changing the password': {
    status: 204,
    act: ({ mina }) => mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT }),
  },
  'deleting your own account': {
    status: 204,
    act: ({ mina }) => mina.post('/v1/me/delete', { current_password: PASSWORD }),
  },
  'promoting somebody': {
    status: 200,
    act: ({ boss, mina }) => boss.patch(`/v1/users/${mina.id}`, { role: 'admin' }),
  },
  'disabling somebody': {
    status: 200,
    act: ({ boss, mina }) => boss.patch(`/v1/users/${mina.id}`, { is_active: false }),
  },
  'deleting somebody': { status: 204, act: ({ boss, mina }) => boss.delete(`/v1/users/${mina.id}`) },
  'logging somebody out': { status: 204, act: ({ boss, mina }) => boss.delete(`/v1/users/${mina.id}/sessions`) },
  'making a reset token': { status: 201, act: ({ boss, mina }) => boss.post(`/v1/users/${mina.id}/password-reset`) },
  'using a reset token': {
    status: 204,
    act: ({ service, token }) => service.post('/v1/password-reset', { token, new_password: NEXT }),
  },
}

t.test('a change whose audit event cannot be written is rolled back', async (t) => {
  const service = await start(t)
  const boss = await signUpAdmin(service, 'boss')
  for (const [n, [name, { status, act }]] of Object.entries(DEEDS).entries()) {
    await t.test(name, { timeout: 60_000 }, async (t) => {
      const people = await meet(service, boss, `mina${n}`)
      const { mina, phone } = people
      const before = await contentOf(service)
      await stopRecording(service)
      t.equal((await act(people)).statusCode, 500)
      t.same(await contentOf(service), before)
      for (const person of [boss, mina, phone]) t.equal((await person.get('/v1/me')).statusCode, 200, 'still logged in')

      await startRecording(service)
      const [[events] = []] = await ask(service, sql`select count(*) from events`)
      t.equal((await act(people)).statusCode, status)
      t.notSame(await contentOf(service), before)
      const [[after] = []] = await ask(service, sql`select count(*) from events`)
      t.equal(Number(after) - Number(events), 1)
    })
  }
})

t.test('a password set by an operator is stored together with its audit event, or not at all', async (t) => {
  const people = await setUp(t)
  const { service, mina, phone } = people
  const { accounts, newPasswords } = service.app
  const user = await accounts.get(mina.id)
  const passwordHash = await newPasswords.hash(user, NEXT)
  const before = await contentOf(service)
  await stopRecording(service)
  await t.rejects(newPasswords.overwrite({ user, passwordHash }))
  t.same(await contentOf(service), before)
  for (const person of [mina, phone]) t.equal((await person.get('/v1/me')).statusCode, 200)
  await startRecording(service)
  await newPasswords.overwrite({ user, passwordHash })
  t.equal((await mina.get('/v1/me')).statusCode, 401)
  t.equal((await service.logIn('mina', NEXT)).id, mina.id)
})

t.test('an admin added by an operator is stored together with all audit events, or not at all', async (t) => {
  const service = await startService(t)
  const { registration } = service.app
  const before = await contentOf(service)
  await stopRecording(service, 'user.role_changed')
  await t.rejects(registration.create({ username: 'boss', password: PASSWORD }, { role: 'admin' }))
  t.same(await contentOf(service), before)
  await startRecording(service)
  await registration.create({ username: 'boss', password: PASSWORD }, { role: 'admin' })
  const boss = await service.logIn('boss')
  t.same(
    (await boss.get('/v1/events')).json().items.map(({ type }: { type: string }) => type),
    ['login.succeeded', 'user.role_changed', 'user.created'],
  )
})

t.test(
  'a password reset that meets a locked table returns 503, changes nothing, and works when it is retried',
  { skip: POSTGRES_ONLY },
  async (t) => {
    // In parallel: each request waits as long as a statement may.
    await Promise.all(['one_time_tokens', 'sessions', 'events'].map(resetAtLock))
    async function resetAtLock(table: string) {
      const { service, mina, phone, token } = await setUp(t)
      const before = await contentOf(service)
      const reset = () => service.post('/v1/password-reset', { token, new_password: NEXT })
      const other = new pg.Client({ connectionString: service.app.config.DATABASE_URL })
      await other.connect()
      await other.query(`begin; lock table ${table} in share row exclusive mode`)
      t.match((await reset()).json(), { status: 503, code: 'database_unavailable' }, table)
      t.same(await contentOf(service), before, table)
      await other.end()
      t.equal((await service.logIn('mina')).id, mina.id, 'the old password is in force')
      t.equal((await reset()).statusCode, 204)
      t.equal((await phone.get('/v1/me')).statusCode, 401)
      t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 401)
    }
  },
)

async function setUp(t: Test): Promise<People> {
  const service = await start(t)
  return meet(service, await signUpAdmin(service, 'boss'), 'mina')
}

function start(t: Test): Promise<Service> {
  return startService(t, { COMPAT: 'on', LOGIN_THROTTLE: 'off' })
}

/** An admin, and a new user with two sessions and an unused reset token. */
async function meet(service: Service, boss: Person, username: string): Promise<People> {
  const mina = await service.signUp(username)
  const phone = await service.logIn(username)
  const { token } = (await boss.post(`/v1/users/${mina.id}/password-reset`)).json()
  return { service, boss, mina, phone, token }
}

function credentialsOf({ login }: Person) {
  return { username: login.user.username, password: PASSWORD }
}

/** Without the contract check of `service.post`: the tutorials have their own OpenAPI document. */
function compat({ app }: Service, url: string, payload: object): Promise<Response> {
  return app.inject({ method: 'POST', url, payload })
}

/** Every row, without the audit log and the signing keys. */
async function contentOf({ app }: Service): Promise<Record<string, unknown[]>> {
  const { db, tables } = app.database
  const { events, signingKeys, ...others } = tables
  const content: Record<string, unknown[]> = {}
  for (const table of Object.values(others) as PgTable[]) {
    content[getTableName(table)] = (await db.select().from(table)).map((row) => JSON.stringify(row)).sort()
  }
  return content
}

/** Makes every insert into the audit log fail, or every insert of this event type. */
async function stopRecording(service: Service, type?: string): Promise<void> {
  const when = sql.raw(type === undefined ? '' : `when (new.type = '${type}')`)
  if (SERVER_URL === undefined) {
    await ask(
      service,
      sql`create trigger refuse_all before insert on events ${when} begin select raise(abort, 'no event can be written'); end`,
    )
    return
  }
  await ask(
    service,
    sql`create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'no event can be written'; end $$`,
  )
  await ask(
    service,
    sql`create trigger refuse_all before insert on events for each row ${when} execute function refuse()`,
  )
}

async function startRecording(service: Service): Promise<void> {
  await ask(service, SERVER_URL === undefined ? sql`drop trigger refuse_all` : sql`drop trigger refuse_all on events`)
}
