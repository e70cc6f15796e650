import { eq } from 'drizzle-orm'
import t from 'tap'
import { type Person, startService } from '../helper.js'

const FIELDS = ['id', 'title', 'description', 'done', 'due_at', 'created_at', 'updated_at']

t.test('a new todo has a Location, an ETag and exactly the public fields', async (t) => {
  const { mina } = await twoPeople(t)
  const due_at = '2026-12-01T08:00:00.000Z'
  const created = await mina.post('/v1/todos', { title: 'Water the plants', description: 'The fern too', due_at })
  t.equal(created.statusCode, 201)
  const todo = created.json()
  t.same(Object.keys(todo).sort(), FIELDS.toSorted())
  t.match(todo, { title: 'Water the plants', description: 'The fern too', done: false, due_at })
  t.equal(todo.updated_at, todo.created_at)
  t.equal(created.headers.location, `/v1/todos/${todo.id}`)
  const got = await mina.get(String(created.headers.location))
  t.equal(got.statusCode, 200)
  t.same(got.json(), todo)
  t.equal(got.headers.etag, created.headers.etag)
})

t.test('fields that are left out of a new todo are null, and done is false', async (t) => {
  const { mina } = await twoPeople(t)
  t.match((await mina.post('/v1/todos', { title: 'x' })).json(), { description: null, done: false, due_at: null })
  t.match((await mina.post('/v1/todos', { title: 'x', done: true })).json(), { done: true })
})

t.test('a row of another user returns 404 for every method, and is unchanged', async (t) => {
  const { mina, joon } = await twoPeople(t)
  const created = await mina.post('/v1/todos', { title: "Mina's" })
  const url = String(created.headers.location)
  const missing = `/v1/todos/${created.json().id + 1000}`
  const conditions = ['none', '*', '"1"', '"7"', 'garbage']
  for (const condition of conditions) {
    const headers: Record<string, string> = condition === 'none' ? {} : { 'if-match': condition }
    const others = [
      await joon.get(url),
      await joon.patch(url, { title: "Joon's" }, headers),
      await joon.delete(url, headers),
    ]
    const none = [
      await joon.get(missing),
      await joon.patch(missing, { title: "Joon's" }, headers),
      await joon.delete(missing, headers),
    ]
    for (const [index, { statusCode, headers, body }] of others.entries()) {
      const verb = ['GET', 'PATCH', 'DELETE'][index]
      t.equal(statusCode, 404, `${verb} of another's row with If-Match ${condition}`)
      t.equal(none[index]?.statusCode, 404, `${verb} of no row with If-Match ${condition}`)
      t.equal(headers.etag, undefined)
      t.notMatch(body, 'Mina')
    }
  }
  t.same((await joon.get('/v1/todos')).json(), { items: [], next_cursor: null })
  t.same((await mina.get('/v1/todos')).json().items, [created.json()])
  t.equal((await mina.get(url)).headers.etag, created.headers.etag)
})

t.test('deleting a row deletes no other row, and deleting it again returns 404', async (t) => {
  const { mina, joon } = await twoPeople(t)
  await joon.post('/v1/todos', { title: "Joon's" })
  const kept = await mina.post('/v1/todos', { title: 'kept' })
  const gone = String((await mina.post('/v1/todos', { title: 'gone' })).headers.location)
  const deleted = await mina.delete(gone)
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
  t.equal((await mina.delete(gone)).statusCode, 404)
  t.equal((await mina.get(gone)).statusCode, 404)
  t.equal((await mina.patch(gone, { done: true })).statusCode, 404)
  t.same((await mina.get('/v1/todos')).json().items, [kept.json()])
  t.equal((await joon.get('/v1/todos')).json().items.length, 1)
})

t.test('a change of one field keeps the others, and null clears an optional field', async (t) => {
  const { mina } = await twoPeople(t)
  const full = { title: 'Pay', description: 'the rent', done: false, due_at: '2026-12-01T08:00:00.000Z' }
  const { location } = (await mina.post('/v1/todos', full)).headers
  const url = String(location)
  const steps = [
    { change: { done: true }, after: { ...full, done: true } },
    { change: { title: 'Paid' }, after: { ...full, done: true, title: 'Paid' } },
    { change: { description: null }, after: { ...full, done: true, title: 'Paid', description: null } },
    { change: { due_at: null }, after: { title: 'Paid', description: null, done: true, due_at: null } },
    { change: { due_at: full.due_at }, after: { title: 'Paid', description: null, done: true, due_at: full.due_at } },
    { change: { done: false }, after: { title: 'Paid', description: null, done: false, due_at: full.due_at } },
  ]
  for (const { change, after } of steps) {
    const changed = await mina.patch(url, change)
    t.equal(changed.statusCode, 200, JSON.stringify(change))
    t.match(changed.json(), after)
    t.same((await mina.get(url)).json(), changed.json())
  }
})

t.test('a body that does not match the schema is rejected, and nothing is stored', async (t) => {
  const { mina, joon } = await twoPeople(t)
  const { location } = (await mina.post('/v1/todos', { title: 'as it was' })).headers
  const url = String(location)
  const refused: { body: unknown; of: 'both' | 'create' | 'change' }[] = [
    { body: {}, of: 'both' },
    { body: [], of: 'both' },
    { body: 'null', of: 'both' },
    { body: { description: 'no title' }, of: 'create' },
    { body: { title: 'x', user_id: joon.id }, of: 'both' },
    { body: { title: 'x', userId: joon.id }, of: 'both' },
    { body: { title: 'x', id: 7 }, of: 'both' },
    { body: { title: 'x', version: 7 }, of: 'both' },
    { body: { title: 'x', created_at: '2026-12-01T08:00:00Z' }, of: 'both' },
    { body: { title: '' }, of: 'both' },
    { body: { title: 'x'.repeat(251) }, of: 'both' },
    { body: { title: null }, of: 'both' },
    { body: { title: 123 }, of: 'both' },
    { body: { title: ['x'] }, of: 'both' },
    { body: { title: 'x', done: 'true' }, of: 'both' },
    { body: { title: 'x', done: 1 }, of: 'both' },
    { body: { title: 'x', done: null }, of: 'both' },
    { body: { title: 'x', description: 'x'.repeat(10_001) }, of: 'both' },
    { body: { title: 'x', due_at: 1796119200000 }, of: 'both' },
    { body: '{"title":"x","__proto__":{"done":true}}', of: 'both' },
    { body: '{"title":', of: 'both' },
  ]
  const json = { 'content-type': 'application/json' }
  for (const { body, of } of refused) {
    const name = JSON.stringify(body).slice(0, 60)
    if (of !== 'change') t.equal((await mina.post('/v1/todos', body, json)).statusCode, 400, `create ${name}`)
    if (of !== 'create') t.equal((await mina.patch(url, body, json)).statusCode, 400, `change ${name}`)
  }
  const unknown = await mina.post('/v1/todos', { title: 'x', user_id: joon.id })
  t.match(unknown.json(), { code: 'validation_failed', errors: [{ in: 'body', message: 'unknown field: user_id' }] })
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'as it was' }])
  t.same((await joon.get('/v1/todos')).json().items, [])
})

t.test('text comes back as it was sent, in any script', async (t) => {
  const { mina } = await twoPeople(t)
  const texts = [
    '화분에 물 주기',
    '🪴👩‍👩‍👧‍👦',
    'e\u0301 and é stay two',
    "'; drop table todos; --",
    '{"a":"b"}\n\t\\',
    '가'.repeat(250),
    '🪴'.repeat(250),
  ]
  for (const title of texts) {
    const created = await mina.post('/v1/todos', { title, description: title })
    t.equal(created.statusCode, 201, title.slice(0, 20))
    t.match((await mina.get(String(created.headers.location))).json(), { title, description: title })
  }
})

t.test('a text is stored unchanged or refused', async (t) => {
  const { mina } = await twoPeople(t)
  const create = (title: string) => mina.post('/v1/todos', `{"title":${title}}`, { 'content-type': 'application/json' })
  const url = String((await create('"first"')).headers.location)
  for (const title of ['"a\\u0000b"', '"\\ud800"', '"a\\udc00b"', '"\\ude00\\ud83d"']) {
    t.match((await create(title)).json(), { status: 400, code: 'text_rejected' }, title)
    const change = await mina.patch(url, `{"description":${title}}`, { 'content-type': 'application/json' })
    t.match(change.json(), { status: 400, code: 'text_rejected' }, title)
  }
  for (const title of ['"\\uffff"', '"\\ufffd"', '"\\ud83d\\ude00"']) {
    const created = await create(title)
    t.match((await mina.get(String(created.headers.location))).json(), { title: JSON.parse(title) }, title)
  }
  t.match((await mina.get(url)).json(), { title: 'first', description: null })
})

t.test('an invalid id returns 400 or 404 for every method', async (t) => {
  const { mina } = await twoPeople(t)
  await mina.post('/v1/todos', { title: 'x' })
  const ids = ['99999999999', '9007199254740993', '9'.repeat(30), '1e20', '1e0', '0x1', '0x10', '%20', '%201', '1%20']
  for (const id of [
    ...ids,
    '-1',
    '0',
    '1.5',
    '1.0',
    '+1',
    'abc',
    'null',
    '%00',
    '1%00',
    "1'--",
    '１',
    'a'.repeat(120),
  ]) {
    const url = `/v1/todos/${id}`
    for (const answer of [await mina.get(url), await mina.patch(url, { done: true }), await mina.delete(url)]) {
      t.ok([400, 404].includes(answer.statusCode), `${id}: ${answer.statusCode}`)
    }
  }
  t.match((await mina.get('/v1/todos')).json().items, [{ title: 'x', done: false }])
})

t.test('the todos of a deleted user are deleted, and a token that is still valid cannot add any', async (t) => {
  const { service, mina, joon } = await twoPeople(t)
  const { db, tables } = service.app.database
  const { location } = (await mina.post('/v1/todos', { title: "Mina's" })).headers
  await joon.post('/v1/todos', { title: "Joon's" })
  await db.delete(tables.users).where(eq(tables.users.id, mina.id))
  const late = await mina.post('/v1/todos', { title: 'from the beyond' })
  t.match(late.json(), { status: 401, code: 'invalid_token' })
  t.equal((await mina.get(String(location))).statusCode, 404)
  t.equal((await mina.patch(String(location), { done: true })).statusCode, 404)
  t.match(await db.select({ title: tables.todos.title }).from(tables.todos), [{ title: "Joon's" }])
})

t.test('without a token nothing is shown and nothing is changed', async (t) => {
  const { service, mina } = await twoPeople(t)
  const url = String((await mina.post('/v1/todos', { title: "Mina's" })).headers.location)
  const answers = [
    await service.get('/v1/todos'),
    await service.post('/v1/todos', { title: 'x' }),
    await service.get(url),
    await service.request({ method: 'PATCH', url, payload: { done: true } }),
    await service.request({ method: 'DELETE', url }),
  ]
  for (const answer of answers) {
    t.match(answer.json(), { status: 401, code: 'missing_token' })
    t.notMatch(answer.body, 'Mina')
  }
  t.match((await mina.get('/v1/todos')).json().items, [{ done: false }])
})

async function twoPeople(t: Parameters<typeof startService>[0]) {
  const service = await startService(t)
  const [mina, joon]: [Person, Person] = [await service.signUp('mina'), await service.signUp('joon')]
  return { service, mina, joon }
}
