import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { latchkey, nodeProcess, serving } from '../support/child.js'
import { openFile } from '../support/sqlite.js'
import { register, titlesOf } from './walk.js'

t.setTimeout(600_000)

const ROUNDS = 30

t.test('a service killed thirty times while writing loses nothing that was acknowledged', async (t) => {
  const folder = await temporaryFolder(t)
  const acknowledged = { people: new Set<string>(), titles: new Set<string>() }
  let mina: string | undefined
  let slowestStart = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now()
    const service = await serving(t, { folder, settings: { LOGIN_THROTTLE: 'off' } })
    if (round > 0) slowestStart = Math.max(slowestStart, performance.now() - startedAt)
    mina ??= (await register(service, 'mina')).access_token
    const token = mina
    const write = async (writer: number) => {
      for (let n = 0; ; n += 1) {
        const title = `${round}/${writer}/${n}`
        const answer = await service.request('POST', '/v1/todos', { token, body: { title } })
        if (answer.status === 201) acknowledged.titles.add(title)
      }
    }
    const recruit = async () => {
      for (let n = 0; ; n += 1) {
        await register(service, `person-${round}-${n}`)
        acknowledged.people.add(`person-${round}-${n}`)
      }
    }
    const clients = Promise.allSettled([write(1), write(2), write(3), recruit()])
    await sleep(300 + 400 * Math.random())
    await service.end()
    await clients
  }
  const service = await serving(t, { folder, settings: { LOGIN_THROTTLE: 'off' } })
  const kept = await titlesOf(service, String(mina))
  t.strictSame(
    [...acknowledged.titles].filter((title) => !kept.has(title)),
    [],
  )
  for (const username of acknowledged.people) {
    const login = await service.request('POST', '/v1/login', { body: { username, password: PASSWORD } })
    t.equal(login.status, 200, username)
  }
  await service.stop()
  const file = await openFile(t, join(folder, 'data', 'latchkey.db'))
  t.equal(file.pragma('integrity_check', { simple: true }), 'ok')
  t.comment(
    `${ROUNDS} kills: ${acknowledged.titles.size} rows and ${acknowledged.people.size} people acknowledged, 0 lost`,
  )
  t.comment(`the slowest start after a kill took ${Math.round(slowestStart)} ms`)
})

t.test('after a kill during the migration, the next start succeeds', async (t) => {
  let unfinished = 0
  for (let round = 0; round < 12; round += 1) {
    const child = await latchkey(t, ['migrate'])
    await sleep(150 + 25 * round)
    await child.end()
    if ((await child.exit) === 'SIGKILL') unfinished += 1
    const service = await serving(t, { folder: child.folder })
    t.equal((await service.request('GET', '/readyz')).status, 200)
    await service.end()
  }
  t.ok(unfinished > 0, 'at least one migration was killed before its end')
})

const strace = spawnSync('strace', ['true']).status === 0 ? false : 'needs strace, and the right to trace processes'

t.test('each of 100 sequential writes is answered after an fsync of its own', { skip: strace }, async (t) => {
  const service = await serving(t)
  const { access_token: token } = await register(service, 'mina')
  const tracer = await nodeProcess(t, [
    '-e',
    `require('node:child_process').spawn('strace', ['-f', '-s', '16', '-e', 'trace=fdatasync,fsync,write,writev', '-p', '${service.pid}'], { stdio: 'inherit' })
      .on('exit', () => process.exit()); process.on('SIGINT', () => {})`,
  ])
  await tracer.says(/attached/)
  for (let n = 0; n < 100; n += 1) await service.request('POST', '/v1/todos', { token, body: { title: String(n) } })
  await service.end()
  await tracer.exit
  const calls = [...tracer.stderr.matchAll(/f(?:data)?sync(?:\(\d+\)| resumed>\)) += 0|writev?\(.*"HTTP\/1\.1 201/g)]
  const order = calls.map(([call]) => (call.includes('sync') ? 'fsync' : 'answer'))
  const answers = order.flatMap((call, index) => (call === 'answer' ? [index] : []))
  t.equal(answers.length, 100)
  t.same(
    answers.filter((index) => order[index - 1] !== 'fsync'),
    [],
    'between two answers there is an fsync',
  )
  t.comment(`${order.length - answers.length} calls of fsync for 100 rows`)
})
