// On SQLite alone: no database.
// In a process of its own: it changes the time zone of its process.

import t from 'tap'
import { timeOf } from '../../src/import/dates.js'

/** 2022-06-25 11:03:45 UTC, as databases, spreadsheets and programs write it. */
const SAME = [
  '2022-06-25 11:03:45',
  '2022-06-25T11:03:45',
  '  2022-06-25 11:03:45\n',
  '2022-06-25T11:03:45Z',
  '2022-06-25 11:03:45+00',
  '2022-06-25 20:03:45+09',
  '2022-06-25 16:33:45+0530',
  '2022-06-25 16:33:45+05:30',
  '2022-06-25 20:03:45 +0900 KST',
  '2022-06-25 11:03:45 UTC',
  '2022/6/25 11:03:45',
  '20220625110345',
  '20220625T110345Z',
  '6/25/2022 11:03:45',
  '6/25/2022 11:03:45 AM',
  '25/06/2022 11:03:45',
  '25.06.2022 11:03:45',
  '2022. 6. 25. 오전 11:03:45',
  'Sat, 25 Jun 2022 11:03:45 GMT',
  'Jun 25, 2022 11:03:45',
  'Sat Jun 25 2022 20:03:45 GMT+0900 (Korean Standard Time)',
  '44737.4609375',
  '44737,4609375',
  '1656155025',
  '1656155025000',
  '1656155025000000',
  '1656155025000000000',
]
/** Texts that are ambiguous, or not a time at all. */
const UNKNOWN = [
  '05/06/2022',
  '-1',
  '12',
  '0',
  '1.656E+12',
  '0000-00-00 00:00:00',
  '2022-02-30',
  '2022-06-25 25:00:00',
  '2022-06-25 11:03:45 KST',
  '1969-12-31',
  '9999-12-31 23:59:59',
  '638000000000000000',
  'infinity',
  'yesterday',
  'May 2022',
  true,
  { a: 1 },
]

t.test('times are read in every usual notation, and as UTC if they have no zone', async (t) => {
  for (const text of SAME) t.equal(timeOf(text), Date.UTC(2022, 5, 25, 11, 3, 45), text)
  t.equal(timeOf('2022-06-25 11:03:45.1239'), Date.UTC(2022, 5, 25, 11, 3, 45, 123))
  t.equal(timeOf('1656155025.123'), Date.UTC(2022, 5, 25, 11, 3, 45, 123))
  for (const text of ['2022-06-25', '20220625', '44737', '6/25/2022', '25 June 2022']) {
    t.equal(timeOf(text), Date.UTC(2022, 5, 25), text)
  }
  t.equal(timeOf('06/06/2022'), Date.UTC(2022, 5, 6), 'the same in either order')
})

t.test('an absent time is null, and an ambiguous or invalid time is undefined', async (t) => {
  for (const none of [null, undefined, '', ' ', 'NULL', '\\N', 'NaT']) t.equal(timeOf(none), null, String(none))
  for (const unknown of UNKNOWN) t.equal(timeOf(unknown), undefined, String(unknown))
})

t.test('the time zone of the machine does not change the result', async (t) => {
  const zone = process.env.TZ
  t.teardown(() => {
    process.env.TZ = zone ?? 'UTC'
  })
  process.env.TZ = 'Asia/Seoul'
  t.equal(new Date(2022, 0).getTimezoneOffset(), -540)
  for (const text of SAME) t.equal(timeOf(text), Date.UTC(2022, 5, 25, 11, 3, 45), text)
})
