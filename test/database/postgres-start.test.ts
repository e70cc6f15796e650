// On PostgreSQL alone: how the service starts on PostgreSQL.

import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/database/database.js'
import { openDatabase } from '../../src/database/open.js'
import { startService, temporaryFolder } from '../helper.js'
import { latchkey } from '../support/child.js'
import { createDatabase, onServer, POSTGRES_ONLY, postgresSettings, SERVER_URL } from '../support/databases.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(120_000)

const A_SECOND = 1_000

t.test('starting on PostgreSQL', { skip: POSTGRES_ONLY }, async (t) => {
  const database = (t: Test) => createDatabase(t, SERVER_URL ?? '')
  const nameOf = (url: string) => new URL(url).pathname.slice(1)
  const refuses = (t: Test, url: string, reason: RegExp) =>
    t.rejects(openDatabase(url, { migrate: true, connectTimeoutMs: A_SECOND }), {
      constructor: DatabaseError,
      message: reason,
    })

  t.test('a schema of its own works beside another application with the same table names', async (t) => {
    const url = await database(t)
    await onServer(url, 'create table users (id bigint primary key, note text)')
    await onServer(url, 'create table migrations (id bigint primary key, migration text)')
    await onServer(url, 'create schema auth')
    await onServer(url, `alter database ${nameOf(url)} set search_path = auth, public`)
    const service = await startService(t, postgresSettings(url))
    const mina = await service.signUp('mina')
    t.equal((await mina.post('/v1/todos', { title: 'mine' })).statusCode, 201)
    t.same(await onServer(url, 'select title from auth.todos'), [{ title: 'mine' }])
    t.same(await onServer(url, 'select * from public.users'), [])
  })

  t.test('a search_path that does not begin with the schema of the tables is rejected', async (t) => {
    const url = await database(t)
    await (await openDatabase(url, { migrate: true })).close()
    await onServer(url, 'create schema other')
    await onServer(url, `alter database ${nameOf(url)} set search_path = other, public`)
    await refuses(t, url, /tables are in the schema public, but its search_path begins with other/)
    await onServer(url, `alter database ${nameOf(url)} set search_path = nowhere`)
    await refuses(t, url, /no schema of its search_path exists/)
  })

  t.test("a foreign key to another application's users is rejected, and the SQL in the error fixes it", async (t) => {
    const url = await database(t)
    await onServer(url, 'create table users (id bigint primary key)')
    await onServer(url, 'create schema auth')
    await onServer(url, `alter database ${nameOf(url)} set search_path = auth, public`)
    await (await openDatabase(url, { migrate: true })).close()
    const name = 'todos_user_id_users_id_fk'
    await onServer(
      url,
      `alter table todos drop constraint ${name}, add constraint ${name} foreign key (user_id) references public.users (id)`,
    )
    const error: Error = await openDatabase(url, { migrate: true }).then(
      () => new Error('it opened'),
      (error) => error,
    )
    t.match(error.message, /todos refers to (public\.)?users, another application's table/)
    await onServer(url, /run (.*);$/.exec(error.message)?.[1] ?? 'nothing')
    await t.resolves(openDatabase(url, { migrate: true }).then((database) => database.close()))
  })

  t.test("a schema that holds another application's tables is rejected", async (t) => {
    for (const table of ['migrations (id bigint, migration text)', 'users (id bigint)']) {
      const url = await database(t)
      await onServer(url, `create table ${table}`)
      await refuses(t, url, /Give Latchkey a database or a schema of its own/)
    }
  })

  t.test('a database address that would be misread is rejected without showing its password', async (t) => {
    const address = 'postgres://lea:se/cret@db.test'
    await refuses(t, `${address}/x`, /^(?!.*cret).*in a password write \/ as %2F/)
    await refuses(t, 'postgres://lea:secret@one.test,two.test/x', /^(?!.*secret).*several hosts/)
    await refuses(
      t,
      'postgres://lea:secret@one.test/x?schema=auth',
      /^(?!.*secret).*schema, which has no effect.*search_path/,
    )
    await refuses(t, 'postgres://one.test/x?target_session_attrs=primary', /target_session_attrs, which has no effect/)
    await refuses(
      t,
      'postgres://one.test/x?sslmode=verify_full',
      /sslmode=verify_full: sslmode is one of .*verify-full/,
    )
    await refuses(t, 'postgres://one.test/x?ssl=false', /ssl=false: ssl is one of true, 1, 0/)
    await refuses(t, 'postgres://lea:secret@/x', /^(?!.*secret).*is not an address/)
  })

  t.test('a missing password and a server without TLS are reported at once, without a retry', async (t) => {
    const open = (url: string) => openDatabase(url, { migrate: true, onNotice: (notice) => t.fail(notice) })
    await t.rejects(open(`${await database(t)}?sslmode=verify-full`), { message: /does not support SSL/ })
    const port = await startScramServer(t)
    const message = /asks for a password, and its address has none/
    await t.rejects(open(`postgres://lea@127.0.0.1:${port}/x`), { constructor: DatabaseError, message })
  })

  t.test('a server is reached through its socket, also if the socket is not there yet', async (t) => {
    const url = new URL(await database(t))
    const folder = await temporaryFolder(t)
    const { username, password, pathname } = url
    const starting = startService(t, {
      ...postgresSettings(`postgres://${username}:${password}@${pathname}?host=${folder}&port=${url.port}`),
    })
    await sleep(300)
    const socket = createServer((client) => {
      const server = connect(Number(url.port), url.hostname)
      client.on('error', () => server.destroy()).pipe(server)
      server.on('error', () => client.destroy()).pipe(client)
    })
    t.teardown(() => socket.close())
    socket.listen(join(folder, `.s.PGSQL.${url.port}`))
    t.equal((await (await starting).get('/readyz')).statusCode, 200)
  })

  t.test('if the server is unreachable, the cause is reported at once and again when the start fails', async (t) => {
    const notices: string[] = []
    const url = `postgres://lea:secret@127.0.0.1:${await freePort()}/x`
    const opening = openDatabase(url, {
      migrate: true,
      connectTimeoutMs: A_SECOND,
      onNotice: (notice) => notices.push(notice),
    })
    await t.rejects(opening, { message: /^(?!.*secret).*cannot be used: connect ECONNREFUSED/ })
    t.equal(notices.length, 1)
    t.match(notices[0], /ECONNREFUSED.*trying again for up to 1 s/)
  })

  t.test('while the server is unreachable, a command says that it waits', async (t) => {
    const DATABASE_URL = `postgres://127.0.0.1:${await freePort()}/x`
    const settings = { ...postgresSettings(DATABASE_URL), PUBLIC_URL: 'http://latchkey.test' }
    for (const args of [
      ['users', 'list'],
      ['users', 'disable', 'mina'],
      ['keys', 'list'],
    ]) {
      const command = await latchkey(t, args, { settings })
      await command.says(/^latchkey: .*ECONNREFUSED.*; trying again for up to 30 s\.$/m)
    }
  })

  t.test('a failed start prints the cause in one line, and the process ends', async (t) => {
    const url = await database(t)
    await (await startService(t, postgresSettings(url))).app.close()
    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test', PORT: '0' }
    const other = { ...settings, SECRET_KEY: 'Zk0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-another' }
    await onServer(url, 'alter table signing_keys rename to lost')
    await assertEnds(t, settings, /^latchkey: The database cannot be used: relation "signing_keys" does not exist$/m)
    await onServer(url, 'alter table lost rename to signing_keys')
    await assertEnds(t, other, /^latchkey: The signing keys in the database cannot be decrypted with this SECRET_KEY/m)
  })

  t.test('a port or host that cannot be listened on is reported in one line', async (t) => {
    const url = await database(t)
    const settings = { ...postgresSettings(url), PUBLIC_URL: 'http://latchkey.test' }
    await assertEnds(t, { ...settings, PORT: new URL(url).port }, /^latchkey: listen EADDRINUSE/m)
    await assertEnds(t, { ...settings, PORT: '0', HOST: 'no.such.host.invalid' }, /^latchkey: getaddrinfo/m)
  })
})

async function assertEnds(t: Test, settings: Record<string, string>, reason: RegExp): Promise<void> {
  const service = await latchkey(t, ['serve'], { settings })
  t.equal(await service.exit, 1)
  t.match(service.stderr, reason)
  t.notMatch(service.stderr, /\n\s+at |ERR_IPC|You may have forgotten/)
}

/** A server that asks for a password by SCRAM, and gets no further. Resolves to its port. */
async function startScramServer(t: Test): Promise<number> {
  const authentication = (kind: number, text: string) => {
    const head = Buffer.from([0x52, 0, 0, 0, 8 + text.length, 0, 0, 0, kind])
    return Buffer.concat([head, Buffer.from(text)])
  }
  const server = createServer((client) => {
    client.once('data', () => {
      client.write(authentication(10, 'SCRAM-SHA-256\0\0'))
      client.once('data', () => client.write(authentication(11, 'r=1,s=AA==,i=1')))
    })
  })
  t.teardown(() => server.close())
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return port
}
