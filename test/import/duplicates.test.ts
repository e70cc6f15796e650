import { hash as bcryptHash } from '@node-rs/bcrypt'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { installation, tryPassword } from '../support/installation.js'
import { openFile } from '../support/sqlite.js'

// Starting a process takes a second on a busy machine.
t.setTimeout(600_000)

const PAST = '2023-05-05 10:00:00'

t.test('with --duplicates oldest, of accounts that share a name the first that can log in is imported', async (t) => {
  const { run, startService, file } = await installation(t)
  const source = await openFile(t, file)
  source.exec(`create table users (id integer primary key, username text, email text, password text, deleted_at text);
    create table todos (id integer primary key, user_id integer, title text)`)
  const insert = source.prepare('insert into users values (?, ?, ?, ?, ?)')
  const people: [number, string | null, string | null, string, string | null][] = [
    [1, null, 'mina@example.com', 'deleted', PAST],
    [2, null, 'Mina@example.com', 'live', null],
    [3, 'joon', null, '', null],
    [4, 'JOON', null, 'first live', null],
    [5, 'Joon', null, 'second live', null],
    [6, 'sora@example.com', 'sora@old.example.com', 'by a user name', null],
    [7, 'sora', 'SORA@example.com', 'by an address', null],
    [8, null, 'twice@example.com', 'deleted', PAST],
    [9, null, 'twice@example.com', 'deleted too', PAST],
    // The second account shares a name with each of the others, which share no name: only the second is left out.
    [10, 'left', 'left@example.com', 'left', null],
    [11, 'left', 'right@example.com', 'middle', null],
    [12, 'right', 'right@example.com', 'right', null],
  ]
  for (const [id, username, email, password, deletedAt] of people) {
    insert.run(id, username, email, password && (await bcryptHash(`${PASSWORD} ${password}`, 4)), deletedAt)
    source.exec(`insert into todos values (${id}, ${id}, 'of ${id}')`)
  }
  const dry = await run(['import', file])
  t.equal(dry.code, 1)
  for (const line of [
    / 6 {2}names or addresses that several people share/,
    /mina@example\.com: "mina@example\.com" \(id 1, cannot log in\), "Mina@example\.com" \(id 2\)/,
    /joon: "joon" \(id 3, cannot log in\), "JOON" \(id 4\), "Joon" \(id 5\)/,
    /sora@example\.com: "sora@example\.com" \(id 6\), "sora" \(id 7\)/,
    /add --duplicates oldest or --duplicates skip/,
  ]) {
    t.match(dry.stdout, line)
  }
  const { code, stdout, stderr } = await run(['import', file, '--twins', 'oldest', '--apply', '--json'])
  t.equal(code, 0, stderr)
  t.match(stderr, /--twins was renamed to --duplicates/)
  t.match(JSON.parse(stdout), {
    users: { read: 12, ready: 6, skipped: { 'a shared name': 6 } },
    todos: { read: 12, ready: 6, skipped: { 'an owner who is left out': 6 } },
    duplicates: { groups: 6 },
  })
  const service = await startService()
  const attempts: [string, string, number | undefined][] = [
    ['mina@example.com', 'live', 2],
    ['mina@example.com', 'deleted', undefined],
    ['joon', 'first live', 4],
    ['joon', 'second live', undefined],
    ['sora@example.com', 'by a user name', 6],
    ['sora@example.com', 'by an address', undefined],
    ['twice@example.com', 'deleted', undefined],
    ['left', 'left', 10],
    ['right', 'right', 12],
    ['right@example.com', 'middle', undefined],
  ]
  for (const [name, password, id] of attempts) {
    const answer = await tryPassword(service, name, `${PASSWORD} ${password}`)
    t.equal(answer.statusCode, id === undefined ? 401 : 200, `${name} with ${password}`)
    if (id === undefined) continue
    const todos = await service.get('/v1/todos', { authorization: `Bearer ${answer.json().access_token}` })
    t.same(
      todos.json().items.map(({ title }: { title: string }) => title),
      [`of ${id}`],
    )
  }
})
