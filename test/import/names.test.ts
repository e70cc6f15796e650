import { setTimeout as sleep } from 'node:timers/promises'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { PASSWORD, type Service } from '../helper.js'
import { POSTGRES_ONLY } from '../support/databases.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const PAIRS_AT_ONCE = 4

/** Users whose names could not be registered here, and the users whom they could be mistaken for. */
const PEOPLE: [id: number, username: string | null, email: string | null][] = [
  [1, 'bob@example.com', null],
  [2, 'eve@old.example.com', 'eve@new.example.com'],
  [3, 'kim@team', 'kim@example.com'],
  [4, null, 'admin1'],
  [5, 'x', 'not an address'],
  [6, '+82-10-1234-5678', null],
  [7, 'a b', null],
  [8, 'admin', null],
  [9, '😀smile', null],
  [10, null, 'mina@한국.한국'],
  [11, 'zero\u200bwidth', null],
  [12, 'ordinary', 'ordinary@example.com'],
]

t.test('an account that the report says logs in does so at every endpoint, by each of its names', async (t) => {
  const { run, startService, file } = await installation(t)
  await sourceOf(t, file, PEOPLE)
  const { code, stdout, stderr } = await run(['import', file, '--apply'])
  t.equal(code, 0, stderr)
  t.match(stdout, / 1 {2}with a user name that is reserved here; they can log in with it:\n *"admin"/)
  t.match(stdout, / 1 {2}with invisible characters in a name.*\n *"zero\\u200bwidth"/)
  t.match(stdout, / 8 {2}with a name that could not be registered here; they can log in with it:\n *"bob@example\.com"/)
  const service = await startService()
  for (const [id, username, email] of PEOPLE) {
    for (const name of [username, email].filter((name) => name !== null)) {
      const answer = await tryPassword(service, name, PASSWORD)
      t.equal(answer.json().user?.id, id, `/v1/login as ${name}`)
      const token = await form(service, '/v1/token', { grant_type: 'password', username: name, password: PASSWORD })
      t.equal(token.statusCode, 200, `/v1/token as ${name}`)
      t.equal((await tryPassword(service, name, 'four loud lanterns')).statusCode, 401, `another password of ${name}`)
    }
    // Where a tutorial asks for a user name, users without one log in with their address, and vice versa.
    const [asUser, asAddress] = [username ?? email ?? '', email ?? username ?? '']
    for (const url of ['/token', '/api/user/login']) {
      t.equal(
        (await form(service, url, { username: asUser, password: PASSWORD })).statusCode,
        200,
        `${url} as ${asUser}`,
      )
    }
    for (const [url, body] of [
      ['/login', { username: asUser, password: PASSWORD }],
      ['/login/', { username: asUser, password: PASSWORD }],
      ['/login', { email: asAddress, password: PASSWORD }],
    ] as const) {
      t.equal((await compat(service, url, body)).statusCode, 200, `${url} as ${JSON.stringify(body)}`)
    }
  }
  const swapped = await compat(service, '/login', { username: 'ordinary@example.com', password: PASSWORD })
  t.equal(swapped.statusCode, 401, 'a tutorial that asks for a user name takes no address of somebody who has one')

  // No other user can take a name of an imported user, neither as a user name nor as an address.
  const strong = 'four louder lanterns'
  const taken = await service.post('/v1/register', { email: 'Bob@example.com', password: strong })
  t.match([taken.statusCode, taken.json().code], [409, 'email_taken'])
  const asUsername = await service.post('/v1/register', { username: 'Admin1', password: strong })
  t.match([asUsername.statusCode, asUsername.json().code], [409, 'username_taken'])
  const person = await service.signUp('newcomer')
  const renamed = await person.patch('/v1/me', { email: 'bob@example.com', current_password: PASSWORD })
  t.match([renamed.statusCode, renamed.json().code], [409, 'email_taken'])
  t.equal(
    (await compat(service, '/register', { name: 'B', email: 'bob@example.com', password: strong })).statusCode,
    409,
  )
  t.equal((await tryPassword(service, 'bob@example.com', PASSWORD)).json().user.id, 1, 'Bob still logs in')
})

t.test('an account is left out if an account here has its name in the other column', async (t) => {
  const { run, startService, file } = await installation(t)
  const service = await startService()
  await service.signUp('admin1')
  for (const email of ['bob@example.com', 'mina@xn--3e0b707e.xn--3e0b707e']) {
    t.equal((await service.post('/v1/register', { email, password: PASSWORD })).statusCode, 201)
  }
  await sourceOf(t, file, PEOPLE)
  const { code, stdout, stderr } = await run(['import', file, '--apply', '--json'])
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout).users, { read: 12, ready: 9, skipped: { 'a name taken here': 3 } })
})

t.test(
  'both spellings of an internationalised domain are one account, however an older version stored them',
  async (t) => {
    const { startService } = await installation(t)
    const service = await startService()
    const [typed, ascii] = ['kim@한국.한국', 'KIM@xn--3e0b707e.XN--3E0B707E']
    const { user } = (await service.post('/v1/register', { email: typed, password: PASSWORD })).json()
    t.equal(user.email, typed)
    const { db, tables } = service.app.database
    for (const stored of ['kim@xn--3e0b707e.xn--3e0b707e', typed]) {
      await db.update(tables.users).set({ emailKey: stored }).where(eq(tables.users.id, user.id))
      t.equal((await tryPassword(service, typed, PASSWORD)).json().user?.id, user.id, `${typed} as ${stored}`)
      t.equal((await service.post('/v1/register', { email: typed, password: PASSWORD })).statusCode, 409)
    }
    await db.update(tables.users).set({ emailKey: 'kim@xn--3e0b707e.xn--3e0b707e' }).where(eq(tables.users.id, user.id))
    t.equal((await tryPassword(service, ascii, PASSWORD)).json().user?.id, user.id)
    t.equal((await service.post('/v1/register', { email: ascii, password: PASSWORD })).json().code, 'email_taken')
    for (const email of ['kim@xn--invalid-.example', 'kim@xn--.com']) {
      t.equal((await service.post('/v1/register', { email, password: PASSWORD })).json().code, 'email_rejected', email)
    }
  },
)

t.test('two processes cannot give one name to two accounts at once, in different columns', async (t) => {
  const { startService } = await installation(t)
  const [one, other] = [await startService(), await startService()]
  const names = Array.from({ length: 20 }, (_, index) => `person${index}@example.com`)
  // Few at a time: a statement waits for a connection for at most two seconds.
  for (let start = 0; start < names.length; start += PAIRS_AT_ONCE) {
    const pairs = names.slice(start, start + PAIRS_AT_ONCE).map(async (name) => {
      const added = [
        add(one, { username: name, usernameKey: name }).then(
          () => 'added',
          ({ cause }) => cause?.code,
        ),
        add(other, { email: name, emailKey: name }).then(
          () => 'added',
          ({ cause }) => cause?.code,
        ),
      ]
      t.match((await Promise.all(added)).sort(), ['added', /^(username|email)_taken$/], name)
    })
    await Promise.all(pairs)
  }
  const { db, tables } = one.app.database
  t.equal(await db.$count(tables.users), names.length)
})

const beside = 'a registration during an import returns 409 for a name that the import has just added'
t.test(beside, { skip: POSTGRES_ONLY }, async (t) => {
  const { startService } = await installation(t)
  const [one, other] = [await startService(), await startService()]
  const { database } = one.app
  for (const name of ['first', 'second', 'third']) {
    const odd = `${name}@example.com`
    let tell = () => {}
    const isThere = new Promise<void>((resolve) => {
      tell = resolve
    })
    const batch = database.longTransaction(async (db) => {
      await add({ app: { database: { db, tables: database.tables } } }, { username: name, usernameKey: name })
      tell()
      await sleep(500)
      await add({ app: { database: { db, tables: database.tables } } }, { username: odd, usernameKey: odd })
    })
    await isThere
    const answer = await other.post('/v1/register', { username: name, password: PASSWORD })
    await batch
    t.match([answer.statusCode, answer.json().code], [409, 'username_taken'])
  }
  t.equal(await database.db.$count(database.tables.users), 6)
})

t.test('of eight concurrent registrations of two names at most two succeed, and the others say why not', async (t) => {
  const { startService } = await installation(t)
  const settings = { HASH_QUEUE: '100' }
  const services = [await startService(settings), await startService(settings)]
  const answers = await Promise.all(
    services.flatMap((service) =>
      Array.from({ length: 4 }, (_, index) => {
        const names = [
          { username: 'mina' },
          { username: 'mina', email: 'mina@example.com' },
          { email: 'mina@example.com' },
        ]
        return service.post('/v1/register', { ...names[index % 3], password: PASSWORD })
      }),
    ),
  )
  t.ok(answers.filter(({ statusCode }) => statusCode === 201).length <= 2)
  // A busy machine may reject a hash with 503.
  const expected = new Set([undefined, 'username_taken', 'email_taken', 'hashing_overloaded'])
  for (const { statusCode, body } of answers) t.ok(expected.has(JSON.parse(body).code), `${statusCode} ${body}`)
})

type Inserting = { app: { database: Pick<Service['app']['database'], 'db' | 'tables'> } }

/** Inserts a user as an import does, so that only the constraints of the database apply. */
async function add({ app: { database } }: Inserting, names: object): Promise<void> {
  const rest = { passwordHash: '!', createdAt: 0, updatedAt: 0 }
  await database.db.insert(database.tables.users).values({ ...rest, ...names })
}

async function sourceOf(t: Parameters<typeof openFile>[0], file: string, people: typeof PEOPLE): Promise<void> {
  const source = await openFile(t, file)
  source.exec('create table users (id integer primary key, username text, email text, password text)')
  const stored = await bcryptHash(PASSWORD, 4)
  const insert = source.prepare('insert into users values (?, ?, ?, ?)')
  for (const person of people) insert.run(...person, stored)
}

function form(service: Service, url: string, fields: Record<string, string>) {
  return service.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString(),
  })
}

/** A request to a tutorial's endpoint, which has its own OpenAPI document. */
function compat({ app }: Service, url: string, payload: object) {
  return app.inject({ method: 'POST', url, payload })
}
