import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

/** The rows as text, with this delimiter between the values. */
function table(delimiter: string, rows: string[][], lineEnd = '\r\n'): string {
  return rows.map((row) => row.join(delimiter) + lineEnd).join('')
}

t.test('the values of a CSV file are separated by commas, semicolons, tabs or bars', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const rowsOf = (name: string) => [
    ['id', 'username', '"e,mail,address"', 'password', 'is_active'],
    ['1', `${name}1`, `"${name}1@example.com"`, stored, 'WAHR'],
    ['2', `${name}2`, `"${name};,|\t2@example.com"`, stored, 'FALSCH'],
  ]
  const files = {
    'german.csv': table(';', rowsOf('german')),
    'excel.csv': `sep=;\r\n${table(';', rowsOf('excel'))}`,
    'mark.txt': `\uFEFF${table('\t', rowsOf('mark'))}`,
    'mysql.tsv': table('\t', rowsOf('mysql'), '\n'),
    'bars.CSV': table('|', rowsOf('bars')),
    'usual.csv': table(',', rowsOf('usual')),
    'blank.csv': `\r\n  \r\n${table(';', rowsOf('blank'))};;;;\r\n`,
  }
  const service = await startService()
  for (const [file, text] of Object.entries(files)) {
    const [name = ''] = file.split('.')
    await writeFile(join(folder, file), text)
    const done = await run(['import', file, '--name', name, '--apply', '--json'])
    t.equal(done.code, 0, `${file}: ${done.stderr}`)
    t.match(JSON.parse(done.stdout), { users: { read: 2, ready: 2 }, disabled: 1 }, file)
    await service.logIn(`${name}1`)
    t.equal((await tryPassword(service, `${name}2`, PASSWORD)).statusCode, 401, file)
  }
})

t.test('a status field that only one of 1,200 JSON lines has disables that account', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const people = Array.from({ length: 1_200 }, (_, index) => ({ _id: `id${index}`, username: `user${index}`, stored }))
  const lines = people.map((person, index) => JSON.stringify(index === 1_150 ? { ...person, blocked: true } : person))
  await writeFile(join(folder, 'people.jsonl'), lines.join('\n'))
  const { code, stdout, stderr } = await run([
    'import',
    'people.jsonl',
    '--map',
    'password=stored',
    '--apply',
    '--json',
  ])
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), { users: { ready: 1_200 }, disabled: 1, status: [{ column: 'blocked', disables: 1 }] })
  const service = await startService()
  await service.logIn('user1199')
  t.equal((await tryPassword(service, 'user1150', PASSWORD)).statusCode, 401)
})

t.test('a person with one active and one banned row is left out, with all their rows', async (t) => {
  const { run, startService, file } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const source = await openFile(t, file)
  source.exec('create table users (id integer, username text, password text, banned integer)')
  source.exec('create table todos (id integer, user_id integer, title text)')
  const add = source.prepare('insert into users values (?, ?, ?, ?)')
  for (const [id, name, banned] of [
    [1, 'ann', 0],
    [1, 'ann', 1],
    [2, 'bob', 0],
    [2, 'bob', 0],
  ] as const) {
    add.run(id, name, stored, banned)
  }
  source.exec("insert into todos values (1, 1, 'of ann'), (2, 2, 'of bob'), (3, 1, 'more of ann')")
  const stopped = await run(['import', file, '--apply'])
  t.equal(stopped.code, 1)
  t.match(stopped.stdout, /1 {2}with an id .* or with rows that disagree on whether they may log in.*\n *"1"/)
  const done = await run(['import', file, '--duplicates', 'oldest', '--apply', '--json'])
  t.equal(done.code, 0, done.stderr)
  t.match(JSON.parse(done.stdout).users, {
    read: 4,
    ready: 1,
    skipped: { 'a shared id': 2, 'an id that came before': 1 },
  })
  const service = await startService()
  const bob = await service.logIn('bob')
  t.match((await bob.get('/v1/todos')).json().items, [{ title: 'of bob' }])
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.todos), 1, 'no row of ann is stored')
  t.equal(await db.$count(tables.users), 1)
  t.equal((await tryPassword(service, 'ann', PASSWORD)).statusCode, 401)
})

t.test('a line break in a name does not match another account', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const people = [
    { id: 1, username: 'a\nb', password: stored },
    { id: 2, username: 'a', email: 'b\nnull', password: stored },
  ]
  await writeFile(join(folder, 'people.jsonl'), people.map((person) => JSON.stringify(person)).join('\n'))
  const { code, stderr } = await run(['import', 'people.jsonl', '--apply'])
  t.equal(code, 0, stderr)
  const { db, tables } = (await startService()).app.database
  const { oldId, newId } = tables.importedIds
  const ids = await db.select({ oldId, newId }).from(tables.importedIds).orderBy(oldId)
  t.same(ids, [
    { oldId: '1', newId: 1 },
    { oldId: '2', newId: 2 },
  ])
})

t.test('a display name that cannot be stored is left out, and the report says so', async (t) => {
  const { run, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const names = ['Mina', 'bad\u0000name', 'x'.repeat(300), '']
  const people = names.map((name, id) => JSON.stringify({ id, username: `user${id}`, name, password: stored }))
  await writeFile(join(folder, 'people.jsonl'), people.join('\n'))
  const { code, stdout, stderr } = await run(['import', 'people.jsonl', '--apply'])
  t.equal(code, 0, stderr)
  t.match(stdout, / 4 {2}imported/)
  t.match(stdout, / 2 {2}with a display name that is too long/)
})

t.test('a list of one value is that value, and a user with several addresses is left out', async (t) => {
  const { run, startService, folder } = await installation(t)
  const stored = await bcryptHash(PASSWORD, 4)
  const people = [
    { uid: ['ann'], mail: ['ann@example.com'], cn: ['Ann'] },
    { uid: ['bob'], mail: ['bob@example.com', 'bob@example.org'] },
    { uid: ['cho', 'joe'], mail: ['cho@example.com'] },
    { uid: ['dan'], mail: [], cn: { given: 'Dan' } },
  ]
  const lines = people.map((person) => JSON.stringify({ ...person, userPassword: [stored] }))
  await writeFile(join(folder, 'people.jsonl'), lines.join('\n'))
  const mapping = 'id=uid,username=uid,name=cn,password=userPassword'
  const done = await run(['import', 'people.jsonl', '--map', mapping, '--apply', '--json'])
  t.equal(done.code, 0, done.stderr)
  const users = { read: 4, ready: 2, skipped: { 'a name that cannot be kept': 2 } }
  t.match(JSON.parse(done.stdout), { users, lostNames: 1 })
  const service = await startService()
  const ann = await service.logIn('ann')
  t.match((await ann.get('/v1/me')).json(), { email: 'ann@example.com', name: 'Ann' })
  const dan = await service.logIn('dan')
  t.match((await dan.get('/v1/me')).json(), { email: null, name: null })
})
