import t from 'tap'
import { countBy, type Person, startService } from '../helper.js'

t.test('the ETag changes with every change, and only then', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  t.match(etag, /^"[^"]+"$/)
  t.equal((await mina.get(url)).headers.etag, etag)
  const changed = await mina.patch(url, { done: true })
  t.not(changed.headers.etag, etag)
  t.equal((await mina.get(url)).headers.etag, changed.headers.etag)
  const again = await mina.patch(url, { done: true })
  t.not(again.headers.etag, changed.headers.etag)
})

t.test('If-Match: only the current ETag and * allow a change', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  const changed = await mina.patch(url, { title: 'second' }, { 'if-match': etag })
  t.equal(changed.statusCode, 200)
  const now = String(changed.headers.etag)
  const wrong = [
    etag,
    '"999"',
    '"0"',
    '""',
    '"-1"',
    'garbage',
    now.replaceAll('"', ''),
    `W/${now}`,
    `${etag}, "999"`,
    '"1e0"',
  ]
  for (const tag of [...wrong, '"9999999999999999999999"', `"${'9'.repeat(400)}"`, "\"1' or '1'='1\""]) {
    const headers = { 'if-match': tag }
    t.match(
      (await mina.patch(url, { title: 'third' }, headers)).json(),
      { status: 412, code: 'precondition_failed' },
      tag,
    )
    t.match((await mina.delete(url, headers)).json(), { status: 412, code: 'precondition_failed' }, tag)
  }
  t.match((await mina.get(url)).json(), { title: 'second' })
  t.equal((await mina.patch(url, { title: 'third' }, { 'if-match': '*' })).statusCode, 200)
  const { etag: last } = (await mina.get(url)).headers
  t.equal((await mina.delete(url, { 'if-match': String(last) })).statusCode, 204)
  t.equal((await mina.get(url)).statusCode, 404)
})

t.test('If-Match accepts a list of ETags, of which any may match', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  const tutorial = await mina.post('/v1/tutorials', { name: 'Knots', description: '' })
  for (const [row, change] of [
    [url, { done: true }],
    [String(tutorial.headers.location), { name: 'Better knots' }],
  ] as const) {
    let tag = etag
    for (const list of [
      (now: string) => `"7", ${now}`,
      (now: string) => `${now},"a, b"`,
      (now: string) => `W/"7",  ${now} , ""`,
    ]) {
      const answer = await mina.patch(row, change, { 'if-match': list(tag) })
      t.equal(answer.statusCode, 200, list(tag))
      tag = String(answer.headers.etag)
    }
    for (const list of ['"7", "8"', `W/${tag}, "7"`, `*, "7"`, ',,']) {
      t.equal((await mina.patch(row, change, { 'if-match': list })).statusCode, 412, list)
    }
    t.equal((await mina.delete(row, { 'if-match': `"7", ${tag}` })).statusCode, 204)
  }
})

t.test('a weak ETag in If-Match returns 412, with a hint to remove W/', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  const weak = await mina.patch(url, { done: true }, { 'if-match': `W/${etag}` })
  t.match(weak.json(), { status: 412, code: 'precondition_failed', detail: /weak.*without W\// })
  const stale = await mina.patch(url, { done: true }, { 'if-match': 'W/"7"' })
  t.equal(stale.json().detail, undefined, 'an ETag of another version gets no hint')
})

t.test('If-None-Match: 304 with the ETag and without a body, until the row changes', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  for (const header of [etag, `W/${etag}`, `"7", ${etag}`, '*']) {
    const answer = await mina.get(url, { 'if-none-match': header })
    t.equal(answer.statusCode, 304, header)
    // A client that trusts the header would wait for this many bytes.
    t.equal(answer.headers['content-length'], undefined)
    t.equal(answer.headers.etag, etag)
    t.equal(answer.body, '')
  }
  for (const header of ['"7"', 'garbage', '']) {
    t.equal((await mina.get(url, { 'if-none-match': header })).statusCode, 200, header)
  }
  await mina.patch(url, { done: true })
  const fresh = await mina.get(url, { 'if-none-match': etag })
  t.equal(fresh.statusCode, 200)
  t.match(fresh.json(), { done: true })
})

t.test("If-None-Match with the ETag of another user's row returns 404, not 304", async (t) => {
  const { service, url, etag } = await oneTodo(t)
  const joon = await service.signUp('joon')
  for (const header of [etag, '*']) {
    t.equal((await joon.get(url, { 'if-none-match': header })).statusCode, 404, header)
  }
})

t.test('of twenty simultaneous changes with the same If-Match, one succeeds', async (t) => {
  const { mina, url, etag } = await oneTodo(t)
  const titles = Array.from({ length: 20 }, (_, n) => `change ${n}`)
  const answers = await Promise.all(titles.map((title) => mina.patch(url, { title }, { 'if-match': etag })))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 1, 412: 19 },
  )
  const winner = answers.find(({ statusCode }) => statusCode === 200)
  t.same((await mina.get(url)).json(), winner?.json())
})

t.test('twenty simultaneous changes without If-Match all succeed, each with its own ETag', async (t) => {
  const { mina, url } = await oneTodo(t)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => mina.patch(url, { title: `change ${n}` })))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 20 },
  )
  t.equal(new Set(answers.map(({ headers }) => headers.etag)).size, 20)
})

async function oneTodo(t: Parameters<typeof startService>[0]) {
  const service = await startService(t)
  const mina: Person = await service.signUp('mina')
  const { headers } = await mina.post('/v1/todos', { title: 'first' })
  return { service, mina, url: String(headers.location), etag: String(headers.etag) }
}
