// On SQLite alone: the processes run on a SQLite file.

import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { latchkey, serving } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const run = promisify(execFile)

t.test('without any setting the service starts, and prints commands to try', async (t) => {
  const service = await latchkey(t, ['serve'], { settings: { PORT: '0' } })
  await service.says(/Latchkey listens on[\s\S]*Water the plants/)
  t.match(service.address, /^http:\/\/localhost:\d+$/)
  t.match(service.stderr, `${service.address}/docs`)
  const commands = service.stderr.split('\n').filter((line) => line.startsWith('  '))
  t.equal(commands.length, 3)
  for (const command of commands) t.match(command, `curl`)
  t.same(await readdir(service.folder), ['data'])
  const data = join(service.folder, 'data')
  t.same((await readdir(data)).sort(), ['latchkey.db', 'latchkey.db-shm', 'latchkey.db-wal', 'latchkey.db.secret'])
  for (const name of await readdir(data)) t.equal((await stat(join(data, name))).mode & 0o777, 0o600, name)
  t.equal((await fetch(`${service.address}/docs`)).status, 200)
})

t.test('the commands that a first start prints succeed', async (t) => {
  const service = await serving(t)
  const commands = service.stderr.split('\n').filter((line) => line.startsWith('  '))
  const { stdout } = await run('sh', ['-e', '-c', commands.join('\n')], { timeout: 240_000 })
  t.match(stdout, /"username":"mina".*"access_token":"[^"]+"/)
  t.match(stdout, /"title":"Water the plants"/)
  t.notMatch(stdout, 'urn:latchkey:problem')
})

t.test(
  'a script may create forty users on a fresh start without being throttled, and guesses are still counted',
  async (t) => {
    const service = await latchkey(t, ['serve'], {
      settings: { PORT: '0', BCRYPT_COST: '10', MAX_EVENT_LOOP_DELAY: 'off' },
    })
    await service.says(/Latchkey listens on/)
    for (let n = 0; n < 40; n += 1) {
      const body = { username: `person_${n}`, password: PASSWORD }
      t.equal((await service.request('POST', '/v1/register', { body })).status, 201)
      t.equal((await service.request('POST', '/v1/login', { body })).status, 200)
    }
    const guess = () =>
      service.request('POST', '/v1/login', { body: { username: 'person_1', password: 'a wrong guess' } })
    for (let n = 0; n < 10; n += 1) t.equal((await guess()).status, 401)
    t.match(await guess(), { status: 429, body: { code: 'too_many_attempts' } })
  },
)

t.test('after SIGTERM and a new start, the rows, the tokens and the keys are the same', async (t) => {
  const first = await serving(t)
  const { body: mina } = await first.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })
  const { body: joon } = await first.request('POST', '/v1/register', { body: { username: 'joon', password: PASSWORD } })
  await first.request('POST', '/v1/todos', { token: mina.access_token, body: { title: 'kept' } })
  t.equal((await first.request('POST', '/v1/logout', { token: joon.access_token })).status, 204)
  const { body: keys } = await first.request('GET', '/.well-known/jwks.json')
  first.signal('SIGTERM')
  t.equal(await first.exit, 0)
  t.same((await readdir(join(first.folder, 'data'))).sort(), ['latchkey.db', 'latchkey.db.secret'])

  const second = await serving(t, { folder: first.folder })
  const refresh = (token: string) => second.request('POST', '/v1/refresh', { body: { refresh_token: token } })
  const list = await second.request('GET', '/v1/todos', { token: mina.access_token })
  t.match(list.body, { items: [{ title: 'kept' }] })
  t.same((await second.request('GET', '/.well-known/jwks.json')).body, keys)
  const refreshed = await refresh(mina.refresh_token)
  t.equal(refreshed.status, 200)
  t.equal((await second.request('GET', '/v1/me', { token: refreshed.body.access_token })).body.id, mina.user.id)
  t.equal(
    (await second.request('GET', '/v1/todos', { token: joon.access_token })).status,
    401,
    'a session that has ended stays ended',
  )
  t.equal((await refresh(joon.refresh_token)).status, 400)
})

t.test('after kill -9 in the middle of writing, every acknowledged row is there', async (t) => {
  const first = await serving(t)
  const { body: mina } = await first.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })
  const acknowledged: string[] = []
  const write = async (writer: number) => {
    for (let n = 1; ; n += 1) {
      const title = `${writer}/${n}`
      const answer = await first.request('POST', '/v1/todos', { token: mina.access_token, body: { title } })
      if (answer.status === 201) acknowledged.push(title)
      if (acknowledged.length === 60) first.signal('SIGKILL')
    }
  }
  await Promise.allSettled([1, 2, 3, 4].map(write))
  t.equal(await first.exit, 'SIGKILL')
  t.ok(acknowledged.length >= 60)

  const second = await serving(t, { folder: first.folder })
  const found = new Set<string>()
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '?limit=100' : `?limit=100&cursor=${cursor}`
    const { body } = await second.request('GET', `/v1/todos${query}`, { token: mina.access_token })
    for (const { title } of body.items) found.add(title)
    cursor = body.next_cursor
  }
  t.same(
    acknowledged.filter((title) => !found.has(title)),
    [],
  )
  t.equal((await second.request('POST', '/v1/todos', { token: mina.access_token, body: { title: 'x' } })).status, 201)
})
