import t from 'tap'
import { type Person, startService } from '../helper.js'

interface Page {
  items: { id: number; title: string; done: boolean }[]
  next_cursor: string | null
}

t.test('a list holds your own rows, the newest first', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  for (const title of ['first', 'second', 'third']) {
    await mina.post('/v1/todos', { title })
    await joon.post('/v1/todos', { title: `${title} of Joon` })
  }
  t.same(titles(await page(mina)), ['third', 'second', 'first'])
  t.same(titles(await page(joon)), ['third of Joon', 'second of Joon', 'first of Joon'])
})

t.test('?done filters by state, and accepts the usual spellings of true and false', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (const done of [true, false, true]) await mina.post('/v1/todos', { title: done ? 'done' : 'open', done })
  for (const value of ['true', 'True', 'TRUE', 't', '1', 'yes', 'Yes', 'y', 'on']) {
    t.same(titles(await page(mina, `?done=${value}`)), ['done', 'done'], value)
  }
  for (const value of ['false', 'False', 'FALSE', 'f', '0', 'no', 'No', 'n', 'off']) {
    t.same(titles(await page(mina, `?done=${value}`)), ['open'], value)
  }
  for (const value of ['', '2', '-1', '01', 'null', 'None', 'truee', '%20true', 'true&done=false']) {
    t.match((await mina.get(`/v1/todos?done=${value}`)).json(), { status: 400, code: 'validation_failed' }, value)
  }
})

t.test('?limit is a whole number from 1 to 100, and 20 by default', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await add(mina, 101)
  t.equal((await page(mina)).items.length, 20)
  t.equal((await page(mina, '?limit=1')).items.length, 1)
  t.equal((await page(mina, '?limit=100')).items.length, 100)
  for (const limit of [
    '0',
    '101',
    '-1',
    '1e9',
    '1e1',
    'abc',
    '0x10',
    '1.5',
    '',
    '%20',
    '%205',
    '1'.repeat(40),
    '5&limit=5',
  ]) {
    t.match((await mina.get(`/v1/todos?limit=${limit}`)).json(), { status: 400, code: 'validation_failed' }, limit)
  }
})

t.test('an unknown query parameter is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (const query of [
    'user_id=2',
    'sort=id',
    'sort=id%22--',
    'Limit=5',
    'offset=5',
    'access_token=x',
    '__proto__=1',
  ]) {
    t.match((await mina.get(`/v1/todos?${query}`)).json(), { status: 400, code: 'validation_failed' }, query)
  }
})

t.test('paging by cursor returns each of 45 rows once, whatever is added or deleted meanwhile', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await add(mina, 45, joon)
  const seen: string[] = []
  let next: string | null = ''
  while (next !== null) {
    const { items, next_cursor }: Page = await page(mina, next === '' ? '?limit=10' : `?limit=10&cursor=${next}`)
    seen.push(...items.map(({ title }) => title))
    next = next_cursor
    await add(mina, 3, joon)
    // Deletes the row of the cursor, which must still work.
    await mina.delete(`/v1/todos/${items.at(-1)?.id}`)
  }
  t.same(
    seen,
    Array.from({ length: 45 }, (_, index) => `todo ${45 - index}`),
  )
})

t.test('paging by cursor keeps the filter', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (let n = 1; n <= 9; n += 1) await mina.post('/v1/todos', { title: `todo ${n}`, done: n % 2 === 0 })
  const first = await page(mina, '?done=true&limit=3')
  const second = await page(mina, `?done=true&limit=3&cursor=${first.next_cursor}`)
  t.same([...titles(first), ...titles(second)], ['todo 8', 'todo 6', 'todo 4', 'todo 2'])
  t.equal(second.next_cursor, null)
})

t.test('the last page has no next_cursor, even when the page is full', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  t.same(await page(mina), { items: [], next_cursor: null })
  await add(mina, 4)
  t.equal((await page(mina, '?limit=4')).next_cursor, null)
  t.equal((await page(mina, '?limit=5')).next_cursor, null)
  const { next_cursor } = await page(mina, '?limit=2')
  t.equal((await page(mina, `?limit=2&cursor=${next_cursor}`)).next_cursor, null)
})

t.test('a cursor that the list did not issue is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await mina.post('/v1/todos', { title: 'x' })
  const encoded = [
    'before:',
    'before:-1',
    'before:0',
    'before:1.5',
    'before:1e3',
    'before:0x1',
    'before:9007199254740993',
  ]
  const other = ['before:1 or 1=1', ' before:1', 'after:1', 'user:1', '1', '{"id":1}', 'before:NaN', 'before:１']
  const cursors = [...encoded, ...other].map((text) => Buffer.from(text).toString('base64url'))
  for (const cursor of ['', 'garbage', '!', '%00', '1', '-1', 'null', '__proto__', ...cursors]) {
    const answer = await mina.get(`/v1/todos?cursor=${cursor}`)
    t.match(
      answer.json(),
      { status: 400, code: 'invalid_cursor' },
      Buffer.from(cursor, 'base64url').toString() || cursor,
    )
  }
  t.equal((await mina.get(`/v1/todos?cursor=${'a'.repeat(65)}`)).statusCode, 400)
})

t.test('a cursor of another list is rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  for (const name of ['first', 'second']) await mina.post('/v1/tutorials', { name, description: 'x' })
  await mina.post('/v1/todos', { title: 'x' })
  const { next_cursor } = (await mina.get('/v1/tutorials?limit=1')).json()
  t.equal((await mina.get(`/v1/tutorials?limit=1&cursor=${next_cursor}`)).statusCode, 200)
  t.match((await mina.get(`/v1/todos?cursor=${next_cursor}`)).json(), { status: 400, code: 'invalid_cursor' })
})

t.test('the cursor of another user shows no row of that user', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await add(mina, 3)
  await joon.post('/v1/todos', { title: "Joon's" })
  await add(mina, 3)
  const { next_cursor } = await page(mina, '?limit=2')
  t.same(titles(await page(joon, `?cursor=${next_cursor}`)), ["Joon's"])
})

async function page(person: Person, query = ''): Promise<Page> {
  const answer = await person.get(`/v1/todos${query}`)
  if (answer.statusCode !== 200) throw new Error(`${query}: ${answer.body}`)
  return answer.json()
}

function titles({ items }: Page): string[] {
  return items.map(({ title }) => title)
}

/** `todo 1` and so on, each followed by a todo of another user. */
async function add(person: Person, count: number, other?: Person): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    await person.post('/v1/todos', { title: `todo ${n}` })
    await other?.post('/v1/todos', { title: 'of somebody else' })
  }
}
