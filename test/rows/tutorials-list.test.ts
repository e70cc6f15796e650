import t from 'tap'
import { type Person, startService } from '../helper.js'

interface Page {
  items: { id: number; user_id: number; name: string }[]
  next_cursor: string | null
}

t.test('paging by cursor returns each of your rows once, and no row of another user', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await add(mina, 25, joon)
  const seen: string[] = []
  let next: string | null = ''
  while (next !== null) {
    const { items, next_cursor }: Page = await page(mina, next === '' ? '?limit=10' : `?limit=10&cursor=${next}`)
    t.ok(items.length <= 10)
    for (const { user_id } of items) t.equal(user_id, mina.id)
    seen.push(...items.map(({ name }) => name))
    next = next_cursor
    await add(mina, 2, joon)
    // Deletes the row of the cursor, which must still work.
    await mina.delete(`/v1/tutorials/${items.at(-1)?.id}`)
  }
  t.same(
    seen,
    Array.from({ length: 25 }, (_, index) => `tutorial ${25 - index}`),
  )
})

t.test('the last page has no next_cursor, even when the page is full', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  t.same(await page(mina), { items: [], next_cursor: null })
  await add(mina, 4)
  t.equal((await page(mina, '?limit=4')).next_cursor, null)
  const { next_cursor } = await page(mina, '?limit=2')
  t.equal((await page(mina, `?limit=2&cursor=${next_cursor}`)).next_cursor, null)
})

t.test('the cursor of another user shows no row of that user', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await add(mina, 3)
  await joon.post('/v1/tutorials', { name: "Joon's", description: '' })
  await add(mina, 3)
  const { next_cursor } = await page(mina, '?limit=2')
  t.match(await page(joon, `?cursor=${next_cursor}`), { items: [{ name: "Joon's" }], next_cursor: null })
  t.equal((await page(joon, `?cursor=${next_cursor}`)).items.length, 1)
})

t.test('?limit is a whole number from 1 to 100, and 20 by default', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  await add(mina, 21)
  t.equal((await page(mina)).items.length, 20)
  t.equal((await page(mina, '?limit=1')).items.length, 1)
  t.equal((await page(mina, '?limit=100')).items.length, 21)
  for (const limit of ['0', '101', '-1', '1e9', 'abc', '0x10', '1.5', '', '%20', '5&limit=5']) {
    const answer = await mina.get(`/v1/tutorials?limit=${limit}`)
    t.match(answer.json(), { status: 400, code: 'validation_failed' }, limit)
  }
})

t.test('cursors that the list did not issue and unknown query parameters are rejected', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  await add(mina, 1)
  const texts = ['before:', 'before:-1', 'before:0', 'before:1e3', 'before:9007199254740993', 'before:1 or 1=1']
  for (const cursor of ['', 'garbage', '%00', '1', ...texts.map((text) => Buffer.from(text).toString('base64url'))]) {
    const answer = await mina.get(`/v1/tutorials?cursor=${cursor}`)
    t.match(answer.json(), { status: 400, code: 'invalid_cursor' }, cursor)
  }
  for (const query of [
    'user_id=2',
    'sort=id%22--',
    'Limit=5',
    'offset=5',
    '__proto__=1',
    `cursor=${'a'.repeat(129)}`,
  ]) {
    const answer = await mina.get(`/v1/tutorials?${query}`)
    t.match(answer.json(), { status: 400, code: 'validation_failed' }, query)
  }
})

async function page(person: Person, query = ''): Promise<Page> {
  const answer = await person.get(`/v1/tutorials${query}`)
  if (answer.statusCode !== 200) throw new Error(`${query}: ${answer.body}`)
  return answer.json()
}

/** `tutorial 1` and so on, each followed by a tutorial of another user. */
async function add(person: Person, count: number, other?: Person): Promise<void> {
  for (let n = 1; n <= count; n += 1) {
    await person.post('/v1/tutorials', { name: `tutorial ${n}`, description: '' })
    await other?.post('/v1/tutorials', { name: 'of somebody else', description: '' })
  }
}
