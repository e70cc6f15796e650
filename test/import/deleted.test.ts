import { hash as bcryptHash } from '@node-rs/bcrypt'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { installation } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes seconds on a busy machine.
t.setTimeout(600_000)

const OLD = 'an old secret of this installation 1f8c'
const NEW = 'a new secret of this installation 7d2e'
const [MINA, JOON] = ['mina@example.com', 'joon@example.com']

t.test('a deleted account leaves no old id behind, and no later import brings the account back', async (t) => {
  const { run, startService, file } = await installation(t)
  const source = await openFile(t, file)
  source.exec(`create table users (id text primary key, email text, password text);
    create table todos (id integer primary key, user_id text, title text)`)
  const password = await bcryptHash(PASSWORD, 4)
  for (const [at, id] of [MINA, JOON].entries()) {
    source.prepare('insert into users values (?, ?, ?)').run(id, id, password)
    source.prepare('insert into todos values (?, ?, ?)').run(at + 1, id, `of ${id}`)
  }
  const bring = async (secret: string) => {
    const { code, stdout, stderr } = await run(['import', file, '--apply', '--json'], { SECRET_KEY: secret })
    t.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }
  t.match(await bring(OLD), { users: { ready: 2, already: 0 }, todos: { ready: 2, already: 0 } })

  const service = await startService({ SECRET_KEY: OLD })
  const { db, tables } = service.app.database
  const logIn = (email: string) => service.post('/v1/login', { email, password: PASSWORD })
  const { access_token } = (await logIn(MINA)).json()
  const authorization = { authorization: `Bearer ${access_token}` }
  t.equal((await service.post('/v1/me/delete', { current_password: PASSWORD }, authorization)).statusCode, 204)
  const kept = JSON.stringify(await db.select().from(tables.importedIds))
  t.notMatch(kept, /mina/)
  t.match(kept, JOON, 'the old id of the other account stays')

  // A later row belongs to an account that is deleted here.
  source.prepare('insert into todos values (?, ?, ?)').run(3, MINA, 'written after the first import')
  for (const secret of [OLD, `${NEW},${OLD}`]) {
    t.match(await bring(secret), {
      users: { read: 2, ready: 0, already: 2, skipped: {} },
      todos: { read: 3, ready: 0, already: 2, skipped: { 'an owner who is left out': 1 } },
    })
    t.equal(await db.$count(tables.users), 1)
    t.equal(await db.$count(tables.todos), 1)
    t.equal((await logIn(MINA)).statusCode, 401)
    t.equal((await logIn(JOON)).statusCode, 200)
  }
  t.match(await bring(NEW), { users: { ready: 1, already: 1 } }, 'without the old secret a deleted id is not known')
})
