// On SQLite alone: no database.

import t from 'tap'
import { timestamp } from '../../src/api/times.js'

const DAY_MS = 86_400_000

t.test('a timestamp is formatted as toISOString does, in every year from 0 to 9999', async (t) => {
  const first = Date.parse('0000-01-01T00:00:00.000Z')
  const last = Date.parse('9999-12-31T23:59:59.999Z')
  const edges = [first, last, -1, 0, 1, Date.parse('2028-02-29T23:59:59.999Z'), Date.parse('1900-02-28T12:00:00.001Z')]
  // Steps that reach different days, hours, minutes and milliseconds each time, and more days than the cache holds.
  const steps = Array.from({ length: 5_000 }, (_, index) => first + index * (730 * DAY_MS + 3_723_457)).filter(
    (time) => time <= last,
  )
  t.ok(steps.length > 4_000)
  const wrong = [...edges, ...steps].filter((time) => timestamp(time) !== new Date(time).toISOString())
  t.same(wrong, [])
  // A second time, now with some days in the cache.
  t.same(
    edges.map(timestamp),
    edges.map((time) => new Date(time).toISOString()),
  )
})
