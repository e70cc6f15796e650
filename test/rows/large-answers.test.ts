import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { PASSWORD, type Person, startService } from '../helper.js'
import { type Child, serving } from '../support/child.js'
import { SQLITE_ONLY } from '../support/databases.js'
import { startSecond } from '../support/replica.js'
import { listen } from '../support/wire.js'

t.setTimeout(400_000)

/** 10,000 characters of 4 bytes. */
const LARGE = '\u{1F512}'.repeat(10_000)
/** Each character takes six bytes in JSON. */
const ESCAPED = '\u0001'.repeat(10_000)
const PAGE_BYTES = 256 * 1_024
/**
 * Clients that do not read are tested in a process on a SQLite file. A run on PostgreSQL would repeat the same tests.
 */
const ONCE = { skip: SQLITE_ONLY }
/** The number of large rows that an account has. */
const ROWS = 150

t.test('a page stops at 256 KiB, and its cursor leads to the remaining rows', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (let n = 0; n < 24; n += 1) {
    const description = [LARGE, ESCAPED, 'short'][n % 3]
    await mina.post('/v1/todos', { title: `todo ${n}`, description })
    await mina.post('/v1/tutorials', { name: `tutorial ${n}`, description })
  }
  for (const list of ['/v1/todos', '/v1/tutorials']) {
    const pages = await allPages(mina, `${list}?limit=100`)
    t.ok(pages.length > 1, `${list}: ${pages.length} pages`)
    for (const { bytes } of pages) t.ok(bytes <= PAGE_BYTES + 200, `${list}: ${bytes} bytes`)
    const ids = pages.flatMap(({ ids }) => ids)
    t.equal(new Set(ids).size, 24)
    t.same(
      ids,
      [...ids].sort((one, other) => other - one),
      'the newest first',
    )
    t.ok(pages.slice(0, -1).every(({ ids }) => ids.length < 24 && ids.length > 2))
  }
  t.equal((await mina.get('/v1/todos')).json().items.length > 2, true)
})

t.test('the list of the tutorials API has all rows, the oldest first, however many', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await joon.post('/v1/tutorials', { name: 'of Joon', description: '' })
  const port = await listen(service)
  const expected: object[] = []
  for (let n = 0; n <= 61; n += 1) {
    if ([0, 1, 19, 20, 21, 40, 61].includes(n)) {
      const answer = await fetch(`http://127.0.0.1:${port}/tutorials`, {
        headers: { authorization: `Bearer ${mina.token}` },
      })
      t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
      t.equal(await answer.text(), JSON.stringify(expected), `${n} rows`)
      const head = await fetch(`http://127.0.0.1:${port}/tutorials`, {
        method: 'HEAD',
        headers: { authorization: `Bearer ${mina.token}` },
      })
      t.equal(head.status, 200)
    }
    const row = { name: `"name" ${n}`, description: n === 7 ? LARGE : '\u2028 é' }
    const { id } = (await mina.post('/v1/tutorials', row)).json()
    expected.push({ id, user_id: mina.id, ...row })
  }
})

t.test('an account has at most MAX_ROWS_PER_USER rows of a kind, over all endpoints together', async (t) => {
  const service = await startService(t, { MAX_ROWS_PER_USER: '5' })
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const todos = await Promise.all(Array.from({ length: 12 }, (_, n) => mina.post('/v1/todos', { title: `todo ${n}` })))
  t.equal(todos.filter(({ statusCode }) => statusCode === 201).length, 5, 'of twelve simultaneous requests')
  t.match(await mina.post('/v1/todos', { title: 'x' }), { statusCode: 409 })
  t.match((await mina.post('/v1/todos', { title: 'x' })).json(), { status: 409, code: 'too_many_rows' })
  t.equal((await joon.post('/v1/todos', { title: 'x' })).statusCode, 201, 'other users are not affected')
  t.equal((await mina.get('/v1/todos')).json().items.length, 5)

  const compat = (person: Person) =>
    service.app.inject({
      method: 'POST',
      url: '/tutorials',
      headers: { authorization: `Bearer ${person.token}` },
      payload: { name: 'Knots', description: 'Five' },
    })
  for (let n = 0; n < 3; n += 1)
    t.equal((await mina.post('/v1/tutorials', { name: 'x', description: '' })).statusCode, 201)
  for (let n = 0; n < 2; n += 1) t.equal((await compat(mina)).statusCode, 200)
  const full = await compat(mina)
  t.match(full, { statusCode: 409, headers: { 'content-type': /^application\/json/ } })
  t.match(full.json(), { message: /as many tutorials/ })
  t.equal((await mina.post('/v1/tutorials', { name: 'x', description: '' })).statusCode, 409)
  const [first] = (await mina.get('/v1/tutorials')).json().items
  t.equal((await mina.delete(`/v1/tutorials/${first.id}`)).statusCode, 204)
  t.equal((await compat(mina)).statusCode, 200, 'deleting a row makes room')
  t.equal((await compat(mina)).statusCode, 409)
})

t.test(
  'the thousand rows that were there before a process started count towards the limit',
  { skip: SQLITE_ONLY },
  async (t) => {
    const service = await startService(t, { MAX_ROWS_PER_USER: '1003' })
    const mina = await service.signUp('mina')
    await mina.post('/v1/todos', { title: 'first' })
    const { db, tables } = service.app.database
    let id = (await mina.get('/v1/todos')).json().items[0].id
    for (let n = 0; n < 999; n += 1) {
      id += 1
      await db.insert(tables.todos).values({ id, userId: mina.id, title: 'x', createdAt: 0, updatedAt: 0 })
    }
    const other = await startSecond(t, service)
    const statuses: number[] = []
    for (let n = 0; n < 5; n += 1) {
      const headers = { authorization: `Bearer ${mina.token}` }
      statuses.push(
        (await other.app.inject({ method: 'POST', url: '/v1/todos', headers, payload: { title: 'x' } })).statusCode,
      )
    }
    t.same(statuses, [201, 201, 201, 409, 409])
  },
)

t.test('sixty connections of one account that do not read their answers do not fill the memory', ONCE, async (t) => {
  const { service, token, victim } = await largeLists(t)
  const before = residentMiB(service)
  // 6 MB for each response of the tutorials' list, and 64 pages of 256 KiB on each of the other connections.
  const sockets = [
    ...Array.from({ length: 30 }, () => unread(t, service, listOf(token))),
    ...Array.from({ length: 30 }, () => unread(t, service, pageOf(token).repeat(64))),
  ]
  let peak = before
  const deadline = performance.now() + 8_000
  while (performance.now() < deadline) {
    peak = Math.max(peak, residentMiB(service))
    t.equal((await service.request('GET', '/v1/me', { token: victim })).status, 200)
    await sleep(200)
  }
  for (const socket of sockets) socket.destroy()
  for (const host of ['127.0.0.1', 'localhost']) {
    const answers = Array.from({ length: 6 }, () => listed(`http://${host}:${service.port}`, token))
    for (const rows of await Promise.all(answers)) t.equal(rows, ROWS, `a client that reads at ${host} gets all rows`)
    peak = Math.max(peak, residentMiB(service))
  }
  t.ok(peak < 420, `from ${before} to at most ${peak} MiB`)
})

t.test('clients that all begin to read at once crash no process, and later clients get all rows', ONCE, async (t) => {
  const { service, token, victim } = await largeLists(t)
  const sockets = [
    ...Array.from({ length: 60 }, () => unread(t, service, listOf(token))),
    ...Array.from({ length: 60 }, () => unread(t, service, pageOf(token).repeat(32))),
  ]
  const ends = sockets.map((socket) => once(socket, 'close'))
  let peak = residentMiB(service)
  for (const end of [performance.now() + 500, performance.now() + 6_000]) {
    while (performance.now() < end) {
      peak = Math.max(peak, residentMiB(service))
      t.equal((await service.request('GET', '/v1/me', { token: victim })).status, 200)
      await sleep(100)
    }
    for (const socket of sockets) socket.resume()
  }
  t.ok(peak < 420, `at most ${peak} MiB`)
  for (const socket of sockets) socket.destroy()
  await Promise.all(ends)
  const answers = Array.from({ length: 6 }, () => listed(service.address, token))
  for (const rows of await Promise.all(answers)) t.equal(rows, ROWS)
})

t.test('requests of a client that has disconnected are dropped, and their answers are not kept', ONCE, async (t) => {
  const { service, token } = await largeLists(t)
  for (let round = 0; round < 4; round += 1) {
    const sockets = Array.from({ length: 30 }, () => unread(t, service, pageOf(token).repeat(32)))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    await sleep(50)
    for (const socket of sockets) socket.destroy()
  }
  // The service must not build and keep all 3,840 pages of 256 KiB.
  t.equal(await listed(service.address, token), ROWS)
  t.ok(residentMiB(service) < 420, `${residentMiB(service)} MiB`)
})

t.test('an account that requests hundreds of large pages does not delay the pages of other users', ONCE, async (t) => {
  const { service, token, victim } = await largeLists(t)
  const title = 'Water the plants'
  t.equal((await service.request('POST', '/v1/todos', { token: victim, body: { title } })).status, 201)
  const flood = Array.from({ length: 60 }, () => read(t, service, pageOf(token).repeat(32)))
  await Promise.all(flood.map(({ socket }) => once(socket, 'data')))
  const answer = await service.request('GET', '/v1/todos?limit=100', { token: victim })
  t.equal(answer.body.items[0].title, title)
  const pages = flood.reduce((sum, { pages }) => sum + pages(), 0)
  t.ok(pages < 60 * 16, `the page of the other user came after ${pages} of 1,920 pages`)
})

/** A service with a small heap, and the token of an account with 6 MB of tutorials. */
async function largeLists(t: Test) {
  const service = await serving(t, { nodeOptions: ['--max-old-space-size=128'], settings: { LOG_LEVEL: 'warn' } })
  const register = async (username: string) => {
    const { status, body } = await service.request('POST', '/v1/register', { body: { username, password: PASSWORD } })
    t.equal(status, 201)
    return String(body.access_token)
  }
  const token = await register('mallory')
  const body = { name: 'x', description: LARGE }
  for (let n = 0; n < ROWS; n += 15) {
    const rows = Array.from({ length: 15 }, () => service.request('POST', '/tutorials', { token, body }))
    for (const { status } of await Promise.all(rows)) t.equal(status, 200)
  }
  return { service, token, victim: await register('victim') }
}

function listOf(token: string): string {
  return `GET /tutorials HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`
}

function pageOf(token: string): string {
  return listOf(token).replace('/tutorials', '/v1/tutorials?limit=100')
}

/**
 * Reads the list to its end, and returns the number of large rows. Repeats a request that gets 503 because the account
 * waited too long for its turn.
 */
async function listed(address: string, token: string): Promise<number> {
  const answer = await fetch(`${address}/tutorials`, { headers: { authorization: `Bearer ${token}` } })
  if (answer.status === 503) return listed(address, token)
  const rows = (await answer.json()) as { description: string }[]
  return rows.filter(({ description }) => description === LARGE).length
}

async function allPages(person: Person, url: string): Promise<{ bytes: number; ids: number[] }[]> {
  const pages: { bytes: number; ids: number[] }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const answer = await person.get(cursor === '' ? url : `${url}&cursor=${cursor}`)
    const { items, next_cursor } = answer.json()
    pages.push({ bytes: Buffer.byteLength(answer.payload), ids: items.map(({ id }: { id: number }) => id) })
    cursor = next_cursor
  }
  return pages
}

/** A connection that sends requests and does not read. */
function unread(t: Test, { port }: Child, bytes: string): Socket {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => void socket.destroy())
  socket.on('error', () => {})
  socket.pause()
  socket.write(bytes)
  return socket
}

/** A connection that sends requests and reads. */
function read(t: Test, child: Child, bytes: string): { socket: Socket; pages(): number } {
  const socket = unread(t, child, bytes)
  let pages = 0
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    pages += text.split('"next_cursor"').length - 1
  })
  socket.resume()
  return { socket, pages: () => pages }
}

function residentMiB({ pid }: Child): number {
  const [, kiB] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kiB) / 1024)
}
