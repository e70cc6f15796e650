// On SQLite alone: locks and limits of a SQLite file.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { domain, openDomain } from '../../src/domain.js'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'
import { ask, fileOf, openFile } from '../support/sqlite.js'

t.test('while another process holds the write lock, writes return 503, reads work, and both work later', async (t) => {
  const { service, mina, lock } = await lockable(t)
  await mina.post('/v1/todos', { title: 'before' })
  lock.exec('begin immediate')
  const startedAt = performance.now()
  const refused = [mina.post('/v1/todos', { title: 'during' }), mina.patch('/v1/todos/1', { done: true })]
  const login = service.post('/v1/login', { username: 'mina', password: 'three quiet lanterns' })
  const livez = await service.get('/livez')
  t.equal(livez.statusCode, 200)
  t.ok(performance.now() - startedAt < 1_000, 'waiting for the lock does not block the event loop')
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'before', done: false }])
  t.equal((await service.get('/readyz')).statusCode, 200)
  for (const answer of await Promise.all([...refused, login])) {
    t.match(answer.json(), { status: 503, code: 'database_unavailable' })
    t.equal(answer.headers['retry-after'], '1')
    t.notMatch(answer.body, /sqlite|busy|locked/i)
  }
  t.ok(performance.now() - startedAt < 2_000)
  lock.exec('rollback')
  t.equal((await mina.post('/v1/todos', { title: 'after' })).statusCode, 201)
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'after' }, { title: 'before', done: false }])
  t.equal((await mina.get('/v1/todos')).json().items.length, 2)
})

t.test('writes wait for a short lock and then succeed', async (t) => {
  const { service, mina, lock } = await lockable(t)
  lock.exec('begin immediate')
  const writes = [
    mina.post('/v1/todos', { title: 'x' }),
    service.signUp('joon'),
    mina.post('/v1/todos', { title: 'y' }),
  ]
  let answered = 0
  for (const write of writes) write.then(() => (answered += 1))
  await sleep(30)
  t.equal(answered, 0)
  lock.exec('commit')
  await t.resolves(Promise.all(writes))
  t.equal((await mina.get('/v1/todos')).json().items.length, 2)
})

t.test('a command waits longer than a request, for the write lock and for its hash', async (t) => {
  const file = join(await temporaryFolder(t), 'latchkey.db')
  const config = { ...loadConfig({ DATABASE_URL: `sqlite:${file}` }), BCRYPT_COST: 4 }
  const commands = await openDomain(config)
  const requests = await startService(t, { DATABASE_URL: `sqlite:${file}` })
  t.teardown(() => commands.close())
  const another = await openFile(t, file)
  another.exec('begin immediate')
  const created = commands.registration.create({ username: 'mina', password: PASSWORD }, { role: 'admin' })
  const refused = await requests.post('/v1/register', { username: 'joon', password: PASSWORD })
  t.match(refused.json(), { status: 503, code: 'database_unavailable' }, 'the request has given up waiting')
  another.exec('commit')
  t.match(await created, { username: 'mina', role: 'admin' })
  t.ok(commands.timeouts.hashMs > 50 * requests.app.timeouts.hashMs)
  t.equal(commands.initialConfig.pluginTimeout, 0, 'Fastify has no timeout of its own for the start')

  const slow = { ...config, DATABASE_URL: `sqlite:${file}.2`, BCRYPT_COST: 15 }
  const hurried = Fastify().decorate('config', slow).decorate('timeouts', { hashMs: 20, lockMs: 1_000 })
  t.teardown(() => hurried.close())
  for (const part of domain) await hurried.register(part)
  await t.rejects(hurried.passwords.hash(PASSWORD), { code: 'hashing_overloaded' }, 'the hash is rejected after 20 ms')
})

t.test('a write by another process is visible to the next request', async (t) => {
  const { mina, lock } = await lockable(t)
  await mina.post('/v1/todos', { title: 'x' })
  lock.exec("begin immediate; update todos set title = 'of another process'; commit")
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'of another process' }])
})

t.test('on a full disk, writes return 503 and store nothing, reads work, and both work with more room', async (t) => {
  const { service, mina } = await lockable(t)
  const body = { title: 'x', description: 'x'.repeat(10_000) }
  // SQLite raises the limit to the current size, so the file cannot grow any more.
  const [[pages] = []] = await ask(service, sql`pragma max_page_count = 1`)
  t.ok(Number(pages) > 1)
  const answers = [await mina.post('/v1/todos', body)]
  while (answers.at(-1)?.statusCode === 201 && answers.length < 20) answers.push(await mina.post('/v1/todos', body))
  t.match(answers.at(-1)?.json(), { status: 503, code: 'database_unavailable' })
  t.equal((await mina.get('/v1/todos')).json().items.length, answers.length - 1)
  t.equal((await service.get('/livez')).statusCode, 200)
  await ask(service, sql`pragma max_page_count = 1000000`)
  t.equal((await mina.post('/v1/todos', body)).statusCode, 201)
  t.same(await ask(service, sql`pragma integrity_check`), [['ok']])
})

async function lockable(t: Test) {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  return { service, mina, lock: await openFile(t, fileOf(service)) }
}
