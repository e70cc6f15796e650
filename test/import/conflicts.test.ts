import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

t.test('an id that two people share is given to neither, and the report names it', async (t) => {
  const { run, startService, file } = await installation(t)
  const source = await openFile(t, file)
  const hash = await bcryptHash(PASSWORD, 4)
  source.exec(`create table users (id, username text, password text); create table todos (id, user_id, title text);
    insert into users values (5, 'ann', '${hash}'), (' 5', 'bob', '${hash}'), ('12', 'cho', '${hash}'),
      (12.0, 'dan', '${hash}'), (7, 'eve', '${hash}'), ('7 ', 'eve', '${hash}');
    insert into todos values (1, 5, 'of ann'), (2, ' 5', 'of bob'), (3, 12, 'of cho'), (4, 7, 'of eve')`)
  const stopped = await run(['import', file, '--apply'])
  t.equal(stopped.code, 1)
  t.match(stopped.stdout, /2 {2}with an id that another person has too.*\n +"(5|12)", "(5|12)"/)
  t.match(stopped.stdout, /Nothing was written: add --duplicates/)
  const result = await run(['import', file, '--apply', '--json', '--duplicates', 'oldest'])
  t.equal(result.code, 0, result.stderr)
  const { users, todos } = JSON.parse(result.stdout)
  t.same(users, { read: 6, ready: 1, already: 0, skipped: { 'a shared id': 4, 'an id that came before': 1 } })
  t.same(todos, { read: 4, ready: 1, already: 0, skipped: { 'an owner who is left out': 3 } })
  const service = await startService()
  for (const username of ['ann', 'bob', 'cho', 'dan']) {
    t.equal((await tryPassword(service, username, PASSWORD)).statusCode, 401, username)
  }
  const eve = await service.logIn('eve')
  t.match((await eve.get('/v1/todos')).json().items, [{ title: 'of eve' }])
})

t.test('an id of another source with the same --name is not taken for that of an earlier import', async (t) => {
  const { run, startService, folder, file } = await installation(t)
  const hash = await bcryptHash(PASSWORD, 4)
  await writeFile(join(folder, 'people.csv'), `id,username,password\n5,ann,${hash}\n6,mina,${hash}\n`)
  const source = await openFile(t, file)
  source.exec(`create table users (id, username text, password text); create table todos (id, user_id, title text);
    insert into users values (5, 'bob', '${hash}'), (6, 'MINA', '${hash}');
    insert into todos values (1, 5, 'SECRET of bob'), (2, 6, 'of mina')`)
  t.equal((await run(['import', 'people.csv', '--apply'])).code, 0)
  const result = await run(['import', file, '--apply', '--json'])
  const { users, todos } = JSON.parse(result.stdout)
  t.same(users.skipped, { "an id of somebody else's in an earlier import of this --name": 1 })
  t.equal(users.already, 1)
  t.same(todos.skipped, { 'an owner who is left out': 1 })
  const service = await startService()
  t.same((await (await service.logIn('ann')).get('/v1/todos')).json().items, [])
  t.match((await (await service.logIn('mina')).get('/v1/todos')).json().items, [{ title: 'of mina' }])
  const apart = JSON.parse((await run(['import', file, '--apply', '--json', '--name', 'second'])).stdout)
  t.equal(apart.users.ready, 1)
  t.match((await (await service.logIn('bob')).get('/v1/todos')).json().items, [{ title: 'SECRET of bob' }])
})

t.test('spaces around names and hashes are removed and counted, and so are unknown creation times', async (t) => {
  const { run, startService, folder } = await installation(t)
  const hash = await bcryptHash(PASSWORD, 4)
  const people = [
    ['1', '', ' joon@example.com', hash, '2022-06-25 11:03:45'],
    ['2', '', 'sora@example.com\n', `${hash}\r\n`, '20220625110345'],
    ['3', 'pad-ann   ', '\\N', `${hash}   `, '44737.4609375'],
    ['4', '   ', 'NULL', hash, ''],
    ['5', 'clean', 'null', hash, '05/06/2022'],
    ['6', 'minus', '', hash, '-1'],
  ]
  const csv = [['id', 'username', 'email', 'password', 'created_at'], ...people]
  await writeFile(join(folder, 'people.csv'), csv.map((row) => row.map((text) => `"${text}"`).join()).join('\n'))
  const report = await run(['import', 'people.csv'])
  t.equal(report.code, 0, report.stdout)
  t.match(report.stdout, / 3 {2}with blanks or line breaks around an id, a name, an address or a hash/)
  t.match(report.stdout, / 2 {2}with an unclear time of creation/)
  t.match(report.stdout, / 1 {2}left out: nothing to log in with/)
  t.equal((await run(['import', 'people.csv', '--apply'])).code, 0)
  const service = await startService()
  for (const [username, createdAt] of [
    ['joon@example.com', '2022-06-25T11:03:45.000Z'],
    ['sora@example.com', '2022-06-25T11:03:45.000Z'],
    ['pad-ann', '2022-06-25T11:03:45.000Z'],
  ] as const) {
    const person = await service.logIn(username)
    t.match(person.login.user, { created_at: createdAt }, username)
  }
  const today = new Date().toISOString().slice(0, 4)
  for (const username of ['clean', 'minus']) {
    t.match((await service.logIn(username)).login.user, { email: null, created_at: new RegExp(`^${today}`) })
  }
  const taken = await service.post('/v1/register', { email: 'joon@example.com', password: PASSWORD })
  t.equal(taken.statusCode, 409)
})
