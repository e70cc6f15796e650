import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { countBy, type Person, startService } from '../helper.js'

const FIELDS = ['description', 'id', 'name', 'user_id']
const KNOTS = { name: 'Knots', description: 'Five knots that hold' }

t.test('a new tutorial has a Location, an ETag and exactly its four fields', async (t) => {
  const { mina } = await twoPeople(t)
  const created = await mina.post('/v1/tutorials', KNOTS)
  t.equal(created.statusCode, 201)
  t.same(Object.keys(created.json()).sort(), FIELDS)
  t.match(created.json(), { ...KNOTS, user_id: mina.id })
  t.equal(created.headers.location, `/v1/tutorials/${created.json().id}`)
  const got = await mina.get(String(created.headers.location))
  t.same(got.json(), created.json())
  t.equal(got.headers.etag, created.headers.etag)
  const { items } = (await mina.get('/v1/tutorials')).json()
  t.same(items[0], created.json())
  for (const item of items) t.same(Object.keys(item).sort(), FIELDS)
})

t.test('a change of one field keeps the other', async (t) => {
  const { mina, url } = await twoPeople(t)
  for (const change of [{ name: 'Better knots' }, { description: '' }, { description: '매듭 🪢' }, { ...KNOTS }]) {
    const before = (await mina.get(url)).json()
    const changed = await mina.patch(url, change)
    t.equal(changed.statusCode, 200)
    t.same(changed.json(), { ...before, ...change })
    t.same((await mina.get(url)).json(), changed.json())
  }
})

t.test('deleting a tutorial deletes no other tutorial, and deleting it again returns 404', async (t) => {
  const { mina, joon, url } = await twoPeople(t)
  const kept = (await mina.post('/v1/tutorials', KNOTS)).json()
  const deleted = await mina.delete(url)
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
  for (const answer of [await mina.get(url), await mina.patch(url, KNOTS), await mina.delete(url)]) {
    t.match(answer.json(), { status: 404, code: 'not_found' })
  }
  t.same((await mina.get('/v1/tutorials')).json().items, [kept])
  t.equal((await joon.get('/v1/tutorials')).json().items.length, 1)
})

t.test('a row of another user returns 404 for every method, and is unchanged', async (t) => {
  const { mina, joon, url } = await twoPeople(t)
  const before = await mina.get(url)
  const missing = '/v1/tutorials/4711'
  for (const condition of [undefined, '*', String(before.headers.etag), '"7"', 'garbage']) {
    const ifMatch: Record<string, string> = condition === undefined ? {} : { 'if-match': condition }
    const ifNoneMatch: Record<string, string> = condition === undefined ? {} : { 'if-none-match': condition }
    for (const target of [url, missing]) {
      const answers = {
        GET: await joon.get(target, ifNoneMatch),
        HEAD: await joon.request({ method: 'HEAD', url: target, headers: ifNoneMatch }),
        PATCH: await joon.patch(target, { name: "Joon's" }, ifMatch),
        DELETE: await joon.delete(target, ifMatch),
      }
      for (const [verb, { statusCode, headers, body }] of Object.entries(answers)) {
        t.equal(statusCode, 404, `${verb} ${target} ${condition}`)
        t.equal(headers.etag, undefined)
        t.notMatch(body, 'Mina')
      }
    }
  }
  t.notMatch((await joon.get('/v1/tutorials')).body, 'Mina')
  const after = await mina.get(url)
  t.same(after.json(), before.json())
  t.equal(after.headers.etag, before.headers.etag)
})

t.test('a body that does not match the schema is rejected, and nothing is stored', async (t) => {
  const { mina, joon, url } = await twoPeople(t)
  const before = (await mina.get('/v1/tutorials')).json()
  const refused: { body: unknown; of: 'both' | 'create' | 'change' }[] = [
    { body: {}, of: 'both' },
    { body: [], of: 'both' },
    { body: 'null', of: 'both' },
    { body: { name: 'x' }, of: 'create' },
    { body: { description: 'x' }, of: 'create' },
    { body: { ...KNOTS, user_id: joon.id }, of: 'both' },
    { body: { user_id: joon.id }, of: 'change' },
    { body: { ...KNOTS, userId: joon.id }, of: 'both' },
    { body: { ...KNOTS, id: 4711 }, of: 'both' },
    { body: { ...KNOTS, version: 7 }, of: 'both' },
    { body: { ...KNOTS, created_at: '2026-12-01T08:00:00Z' }, of: 'both' },
    { body: { ...KNOTS, name: '' }, of: 'both' },
    { body: { ...KNOTS, name: 'x'.repeat(251) }, of: 'both' },
    { body: { ...KNOTS, name: null }, of: 'both' },
    { body: { ...KNOTS, name: 5 }, of: 'both' },
    { body: { ...KNOTS, name: ['x'] }, of: 'both' },
    { body: { ...KNOTS, description: null }, of: 'both' },
    { body: { ...KNOTS, description: 'x'.repeat(10_001) }, of: 'both' },
    { body: '{"name":"x","description":"x","__proto__":{"user_id":2}}', of: 'both' },
    { body: '{"name":', of: 'both' },
  ]
  const json = { 'content-type': 'application/json' }
  for (const { body, of } of refused) {
    const name = JSON.stringify(body).slice(0, 60)
    if (of !== 'change') t.equal((await mina.post('/v1/tutorials', body, json)).statusCode, 400, `create ${name}`)
    if (of !== 'create') t.equal((await mina.patch(url, body, json)).statusCode, 400, `change ${name}`)
  }
  t.same((await mina.get('/v1/tutorials')).json(), before)
  t.equal((await joon.get('/v1/tutorials')).json().items.length, 1)
})

t.test('values just within the bounds are stored as they were sent', async (t) => {
  const { mina } = await twoPeople(t)
  const name = '가'.repeat(250)
  for (const text of ['', '가'.repeat(10_000), "'; drop table tutorials; --", 'e\u0301 and é stay two']) {
    const created = await mina.post('/v1/tutorials', { name, description: text })
    t.match((await mina.get(String(created.headers.location))).json(), { name, description: text })
  }
})

t.test('an invalid id returns 400 or 404 for every method', async (t) => {
  const { mina } = await twoPeople(t)
  const ids = ['99999999999', '9007199254740993', '9'.repeat(30), '1e20', '1e0', '0x1', '%20', '%201', '-1', '0', '1.0']
  for (const id of [...ids, '+1', 'abc', 'null', '%00', '1%00', "1'--", '１', 'a'.repeat(120), '']) {
    const url = `/v1/tutorials/${id}`
    for (const answer of [await mina.get(url), await mina.patch(url, KNOTS), await mina.delete(url)]) {
      t.ok([400, 404].includes(answer.statusCode), `${id}: ${answer.statusCode}`)
    }
  }
  t.match((await mina.get('/v1/tutorials')).json().items, [{ name: "Mina's" }])
})

t.test('If-Match: only the current ETag and * allow a change', async (t) => {
  const { mina, url } = await twoPeople(t)
  const first = String((await mina.get(url)).headers.etag)
  const changed = await mina.patch(url, { name: 'second' }, { 'if-match': first })
  const now = String(changed.headers.etag)
  t.equal(changed.statusCode, 200)
  t.not(now, first)
  for (const tag of [first, '"999"', 'garbage', now.replaceAll('"', ''), `W/${now}`, `${first}, "999"`, '']) {
    const headers = { 'if-match': tag }
    const refused = { status: 412, code: 'precondition_failed' }
    t.match((await mina.patch(url, { name: 'third' }, headers)).json(), refused, tag)
    t.match((await mina.delete(url, headers)).json(), refused, tag)
  }
  t.match((await mina.get(url)).json(), { name: 'second' })
  t.equal((await mina.patch(url, { name: 'third' }, { 'if-match': '*' })).statusCode, 200)
  const { etag } = (await mina.get(url)).headers
  t.equal((await mina.delete(url, { 'if-match': String(etag) })).statusCode, 204)
})

t.test('If-None-Match: 304 with the ETag and without a body, until the tutorial changes', async (t) => {
  const { mina, url } = await twoPeople(t)
  const etag = String((await mina.get(url)).headers.etag)
  for (const header of [etag, `W/${etag}`, `"7", ${etag}`, '*']) {
    const answer = await mina.get(url, { 'if-none-match': header })
    t.same([answer.statusCode, answer.headers.etag, answer.body], [304, etag, ''], header)
  }
  for (const header of ['"7"', 'garbage', '']) {
    t.equal((await mina.get(url, { 'if-none-match': header })).statusCode, 200, header)
  }
  await mina.patch(url, { name: 'second' })
  t.equal((await mina.get(url, { 'if-none-match': etag })).statusCode, 200)
})

t.test('of twenty simultaneous changes with the same If-Match, one succeeds', async (t) => {
  const { mina, url } = await twoPeople(t)
  const headers = { 'if-match': String((await mina.get(url)).headers.etag) }
  const names = Array.from({ length: 20 }, (_, n) => `change ${n}`)
  const answers = await Promise.all(names.map((name) => mina.patch(url, { name }, headers)))
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 1, 412: 19 },
  )
})

t.test('without a token nothing is shown and nothing is changed', async (t) => {
  const { service, mina, url } = await twoPeople(t)
  const answers = [
    await service.get('/v1/tutorials'),
    await service.post('/v1/tutorials', KNOTS),
    await service.get(url),
    await service.request({ method: 'PATCH', url, payload: KNOTS }),
    await service.request({ method: 'DELETE', url }),
  ]
  for (const answer of answers) {
    t.match(answer.json(), { status: 401, code: 'missing_token' })
    t.notMatch(answer.body, 'Mina')
  }
  t.match((await mina.get('/v1/tutorials')).json().items, [{ name: "Mina's" }])
})

t.test('the tutorials of a deleted user are deleted, and a token that is still valid cannot add any', async (t) => {
  const { service, mina, url } = await twoPeople(t)
  const { db, tables } = service.app.database
  await db.delete(tables.users).where(eq(tables.users.id, mina.id))
  t.match((await mina.post('/v1/tutorials', KNOTS)).json(), { status: 401, code: 'invalid_token' })
  t.equal((await mina.get(url)).statusCode, 404)
  t.match(await db.select({ name: tables.tutorials.name }).from(tables.tutorials), [{ name: "Joon's" }])
})

/** A tutorial of Mina, with its path, and a tutorial of Joon. */
async function twoPeople(t: Test) {
  const service = await startService(t)
  const [mina, joon]: [Person, Person] = [await service.signUp('mina'), await service.signUp('joon')]
  const { headers } = await mina.post('/v1/tutorials', { name: "Mina's", description: '' })
  await joon.post('/v1/tutorials', { name: "Joon's", description: '' })
  return { service, mina, joon, url: String(headers.location) }
}
