// On SQLite alone: `backup` copies a SQLite file.

import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'
import { latchkey, serving } from '../support/child.js'

t.setTimeout(120_000)

t.test('a backup made during writes is intact, and a service starts on it', async (t) => {
  const folder = await temporaryFolder(t)
  const service = await serving(t, { folder, settings: { DATABASE_URL: 'sqlite:./latchkey.db' } })
  const body = { username: 'mina', password: PASSWORD }
  const { body: mina } = await service.request('POST', '/v1/register', { body })
  let isOver = false
  const writer = (async () => {
    while (!isOver) {
      await service.request('POST', '/v1/todos', { token: mina.access_token, body: { title: 'another' } })
    }
  })()
  const settings = { DATABASE_URL: 'sqlite:./latchkey.db' }
  const backup = await latchkey(t, ['backup', 'copy.db'], { folder, settings })
  t.equal(await backup.exit, 0, backup.stderr)
  isOver = true
  await writer
  const [, todos] = /integrity ok, 1 users, 1 sessions, (\d+) todos/.exec(backup.stdout) ?? []
  t.match(backup.stdout, `keep SECRET_KEY, or ${join(folder, 'latchkey.db.secret')}, in another place`)
  t.equal((await stat(join(folder, 'copy.db'))).mode & 0o777, 0o600)
  await t.rejects(stat(join(folder, 'copy.db-wal')))
  await t.rejects(stat(join(folder, 'copy.db.secret')))

  const again = await latchkey(t, ['backup', 'copy.db'], { folder, settings })
  t.equal(await again.exit, 1)
  t.match(again.stderr, /copy\.db exists already/)

  // With the secret of the original, which a restored copy needs.
  const SECRET_KEY = (await readFile(join(folder, 'latchkey.db.secret'), 'utf8')).trim()
  const restored = await startService(t, { DATABASE_URL: `sqlite:${join(folder, 'copy.db')}`, SECRET_KEY })
  const { db, tables } = restored.app.database
  t.equal(await db.$count(tables.todos), Number(todos))
  await restored.logIn('mina')
})

t.test('a backup that fails leaves no file', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'broken.db'), 'x'.repeat(5_000))
  const postgres = {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    SECRET_KEY: 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-tests',
    PUBLIC_URL: 'http://latchkey.test',
  }
  for (const [settings, code, says] of [
    [{ DATABASE_URL: 'sqlite:./none.db' }, 1, /no database at/],
    [{ DATABASE_URL: 'sqlite:./broken.db' }, 1, /cannot be created: file is not a database/],
    [postgres, 2, /pg_dump/],
  ] as const) {
    const child = await latchkey(t, ['backup', 'copy.db'], { folder, settings })
    t.equal(await child.exit, code, child.stderr)
    t.match(child.stderr, says)
    await t.rejects(stat(join(folder, 'copy.db')))
  }
  const child = await latchkey(t, ['backup', 'a.db', 'b.db'], { folder })
  t.equal(await child.exit, 64)
})
