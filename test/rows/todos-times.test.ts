import t from 'tap'
import { startService } from '../helper.js'

t.test('a time with an offset is returned in UTC', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  const times: [string, string][] = [
    ['2026-12-01T09:00:00+09:00', '2026-12-01T00:00:00.000Z'],
    ['2026-12-01T09:00:00Z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T09:00:00.5Z', '2026-12-01T09:00:00.500Z'],
    ['2026-12-31T23:30:00-05:30', '2027-01-01T05:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  ]
  for (const [sent, answered] of times) {
    const created = await mina.post('/v1/todos', { title: 'x', due_at: sent })
    t.equal(created.json().due_at, answered, sent)
    const changed = await mina.patch(String(created.headers.location), { due_at: sent })
    t.equal(changed.json().due_at, answered, sent)
    t.equal((await mina.get(String(created.headers.location))).json().due_at, answered, sent)
  }
})

t.test('an impossible or incomplete time is rejected', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  const { location } = (await mina.post('/v1/todos', { title: 'x' })).headers
  const impossible = ['2026-02-30T00:00:00Z', '2027-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '2026-12-00T00:00:00Z']
  const beyond = ['2026-12-01T24:00:00Z', '2026-12-01T25:00:00Z', '2026-12-01T09:60:00Z', '2026-12-01T09:00:00+25:00']
  const incomplete = ['', '2026-12-01', '2026-12-01T09:00:00', '09:00:00Z', 'tomorrow', '1796119200000', 'now']
  for (const due_at of [...impossible, ...beyond, ...incomplete]) {
    t.equal((await mina.post('/v1/todos', { title: 'x', due_at })).statusCode, 400, due_at)
    t.equal((await mina.patch(String(location), { due_at })).statusCode, 400, due_at)
  }
  t.match((await mina.get('/v1/todos')).json().items, [{ due_at: null }])
})

// RFC 3339 allows times that JavaScript cannot parse. Such a time must not silently become null.
t.test('a time at the edge of the format is rejected or stored, never silently dropped', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  const edges = ['2016-12-31T23:59:60Z', '2026-12-01T09:00:00+09', '2026-12-01T09:00:00+0900', '2026-12-01 09:00:00Z']
  for (const due_at of [...edges, '9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+01:00']) {
    const answer = await mina.post('/v1/todos', { title: 'x', due_at })
    t.ok(answer.statusCode === 400 || answer.json().due_at !== null, `${due_at}: ${answer.body}`)
  }
})

t.test('a change keeps created_at, and updated_at is not earlier', async (t) => {
  const mina = await (await startService(t)).signUp('mina')
  const created = await mina.post('/v1/todos', { title: 'x' })
  const changed = (await mina.patch(String(created.headers.location), { done: true })).json()
  t.equal(changed.created_at, created.json().created_at)
  t.ok(changed.updated_at >= changed.created_at)
  t.ok(Math.abs(Date.parse(changed.created_at) - Date.now()) < 60_000)
})
