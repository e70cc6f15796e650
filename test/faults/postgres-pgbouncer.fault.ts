import { execFileSync, spawn } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectFirst, probePooler } from '../../src/database/postgres/pooler.js'
import { countBy, temporaryFolder } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { createDatabase, postgresSettings } from '../support/databases.js'
import { freePort, PostgresServer } from '../support/postgres-server.js'
import { reaches, until } from '../support/replica.js'
import { register, titlesOf } from './walk.js'

t.setTimeout(120_000)

const PGBOUNCER = ['/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer'].find(isThere)
const skip = PGBOUNCER === undefined && 'PgBouncer is not installed'
const IGNORED = 'extra_float_digits, statement_timeout, idle_in_transaction_session_timeout'

const MODES = [
  ['transaction mode, without ignore_startup_parameters', { pool_mode: 'transaction' }],
  [
    'transaction mode, with ignore_startup_parameters',
    { pool_mode: 'transaction', ignore_startup_parameters: IGNORED },
  ],
  // In session mode, each connection of the service occupies a server connection for as long as it is open.
  ['session mode, without ignore_startup_parameters', { pool_mode: 'session', default_pool_size: '10' }],
] as const

t.test('behind PgBouncer', { skip }, async (t) => {
  const server = await PostgresServer.create()
  t.teardown(() => server.remove())

  for (const [name, settings] of MODES) {
    t.test(`${name}: no request of four users fails, and each user sees only their own rows`, async (t) => {
      const url = await startPgBouncer(t, await createDatabase(t, server.url), settings)
      const entrance = await connectFirst(url)
      t.equal((await probePooler(entrance, url)).isDirect, false, 'nothing is pipelined')
      await entrance.client.end()
      const service = await serving(t, {
        settings: { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test', POOL_SIZE: '8' },
      })
      const people: { name: string; access_token: string; refresh_token: string }[] = []
      // One after the other: four hashes at once are too many for a busy machine.
      for (const name of ['mina', 'joon', 'sora', 'dave']) people.push({ name, ...(await register(service, name)) })
      const walks = await Promise.all(people.map(walk))
      async function walk({ name, access_token: token, refresh_token }: (typeof people)[number]) {
        const titles = Array.from({ length: 20 }, (_, n) => `${name} ${n}`)
        const answers = await Promise.all(
          titles.map((title) => service.request('POST', '/v1/todos', { token, body: { title } })),
        )
        const refreshed = await service.request('POST', '/v1/refresh', { body: { refresh_token } })
        const statuses = [...answers, refreshed].map(({ status }) => status)
        return { statuses, wanted: new Set(titles), found: await titlesOf(service, token) }
      }
      t.same(
        countBy(
          walks.flatMap(({ statuses }) => statuses),
          String,
        ),
        { 200: 4, 201: 80 },
      )
      for (const { wanted, found } of walks) t.strictSame(found, wanted)
      t.equal((await service.request('GET', '/readyz')).status, 200)
      const advice = service.log.filter(({ level }) => level === 40).map(({ msg }) => String(msg))
      const isRefused = !('ignore_startup_parameters' in settings)
      t.equal(
        advice.some((text) => text.includes('ignore_startup_parameters')),
        isRefused,
      )
      // PgBouncer keeps prepared statements in session mode, and since 1.21 also in transaction mode if
      // max_prepared_statements is set.
      if (settings.pool_mode === 'session') t.notOk(advice.some((text) => text.includes('max_prepared_statements')))
      t.equal(await service.stop(), 0)
    })
  }

  t.test('the commands migrate, keys list and users list work through PgBouncer', async (t) => {
    const url = await startPgBouncer(t, await createDatabase(t, server.url), { pool_mode: 'transaction' })
    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
    for (const args of [['migrate'], ['keys', 'list'], ['users', 'list']]) {
      const command = await latchkey(t, args, { settings })
      t.equal(await command.exit, 0, `${args.join(' ')}: ${command.stderr}`)
    }
  })
})

function isThere(path: string): boolean {
  try {
    execFileSync(path, ['--version'])
    return true
  } catch {
    return false
  }
}

/**
 * PgBouncer in front of a database, with few server connections, so that they are shared. Returns the database's URL
 * through PgBouncer.
 */
async function startPgBouncer(t: Test, databaseUrl: string, settings: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder(t)
  await chmod(folder, 0o755)
  const port = await freePort()
  const { hostname, port: serverPort, username, password } = new URL(databaseUrl)
  const users = join(folder, 'users.txt')
  await writeFile(users, `"${username}" "${password}"\n`)
  const all = {
    ...{ listen_addr: '127.0.0.1', listen_port: String(port), unix_socket_dir: '', default_pool_size: '5' },
    ...{ auth_type: 'scram-sha-256', auth_file: users },
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(file, `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join('\n')}\n`)
  // PgBouncer refuses to run as root.
  const args = process.getuid?.() === 0 ? ['-u', 'nobody', file] : [file]
  const pgbouncer = spawn(PGBOUNCER ?? '', args, { stdio: 'ignore' })
  t.teardown(() => pgbouncer.kill('SIGKILL'))
  await until(() => reaches(port))
  const url = new URL(databaseUrl)
  url.port = String(port)
  return url.href
}
