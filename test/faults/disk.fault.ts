import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startService, temporaryFolder } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { until } from '../support/replica.js'
import { fileOf, openFile } from '../support/sqlite.js'
import { register, titlesOf } from './walk.js'

t.setTimeout(300_000)

const notRoot = process.getuid?.() === 0 ? false : 'mounting a small disk takes root'

t.test(
  'on a full disk, reads work, writes return 503 and store nothing, and more room makes writes work',
  { skip: notRoot },
  async (t) => {
    const disk = await temporaryFolder(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
    t.teardown(() => execFileSync('umount', ['-l', disk]))
    const service = await serving(t, {
      settings: { DATABASE_URL: `sqlite:${join(disk, 'latchkey.db')}` },
    })
    const { access_token: token } = await register(service, 'mina')
    const post = (n: number) =>
      service.request('POST', '/v1/todos', { token, body: { title: `row ${n}`, description: 'x'.repeat(1_000) } })
    const written: string[] = []
    let refused = await post(0)
    for (let n = 1; refused.status === 201; n += 1) {
      written.push(refused.body.title)
      refused = await post(n)
    }
    t.match(refused, { status: 503, body: { code: 'database_unavailable' } })
    t.ok(written.length > 50)
    for (let n = 0; n < 20; n += 1) t.equal((await post(10_000 + n)).status, 503)
    t.strictSame(await titlesOf(service, token), new Set(written), 'every acknowledged row and no other')
    t.equal((await service.request('GET', '/v1/verify', { token })).status, 204)
    t.equal((await service.request('GET', '/livez')).status, 200)
    execFileSync('mount', ['-o', 'remount,size=8m', disk])
    await until(async () => (await post(20_000)).status === 201)
    t.equal(await service.stop(), 0)
    const file = await openFile(t, join(disk, 'latchkey.db'))
    t.equal(file.pragma('integrity_check', { simple: true }), 'ok')
    file.close()
    t.comment(`${written.length} rows fitted; all of them were read while the disk was full`)
  },
)

t.test(
  'a read-only file system is named as the reason why a database cannot be opened',
  { skip: notRoot },
  async (t) => {
    const disk = await temporaryFolder(t)
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', disk])
    t.teardown(() => execFileSync('umount', ['-l', disk]))
    const settings = { DATABASE_URL: `sqlite:${join(disk, 'latchkey.db')}` }
    t.equal(await (await latchkey(t, ['migrate'], { settings })).exit, 0)
    execFileSync('mount', ['-o', 'remount,ro', disk])
    for (const args of [['serve'], ['users', 'list'], ['backup', join(await temporaryFolder(t), 'backup.db')]]) {
      const command = await latchkey(t, args, { settings })
      t.equal(await command.exit, 1)
      t.match(command.stderr, `${disk} is on a read-only file system`, args.join())
    }
  },
)

t.test(
  'while an open read transaction makes the write-ahead log grow, a warning is set; afterwards the log shrinks',
  async (t) => {
    const service = await startService(t)
    const mina = await service.signUp('mina')
    const reader = await openFile(t, fileOf(service))
    reader.exec('begin')
    reader.prepare('select count(*) from users').get()
    const description = 'x'.repeat(4_000)
    const log = `${fileOf(service)}-wal`
    t.equal(service.app.database.warning(), undefined)
    while (statSync(log).size <= 64 * 2 ** 20) {
      await Promise.all(Array.from({ length: 50 }, () => mina.post('/v1/todos', { title: 'x', description })))
    }
    t.match(service.app.database.warning(), /has grown to 6\d MiB: another program that reads the database/)
    t.equal((await mina.get('/v1/todos')).statusCode, 200)
    reader.exec('rollback')
    for (let n = 0; n < 3; n += 1) await mina.post('/v1/todos', { title: 'x' })
    t.equal(service.app.database.warning(), undefined)
    t.ok(statSync(log).size <= 16 * 2 ** 20, 'the log has shrunk')
  },
)
