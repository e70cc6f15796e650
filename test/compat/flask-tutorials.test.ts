import t from 'tap'
import { type Compat, holdRows, type Row, startCompat, type Values } from './wire.js'

// The table of seed 001: registration, log-in and rows. flask-tutorials-tokens.test.ts has the responses to tokens.
// Not checked: rows 35 (POST /login/ belongs to another tutorial) and 77 (GET / too).
const email = 'reg-{{uniq}}@gmail.com'
const person = { name: 'testuser', email, password: '1234' }
const login = { email: 'a-{{uniq}}@example.com', password: 'pw-a' }
const a = { authorization: 'Bearer {{token_a}}' }
const b = { authorization: 'Bearer {{token_b}}' }
const video = { name: 'New Video', description: '1234' }
const korean = { name: '새 영상', description: '설명' }
const token = { access_token: '<JWT>' }
const mine = { ...video, id: '{{tid}}', user_id: '<id>' }
const notYours = { message: 'No tutorials with this id' }
const noHeader = { msg: 'Missing Authorization Header' }
const wrongMethod = { message: 'The method is not allowed for the requested URL.' }
const badRequest = { message: 'The browser (or proxy) sent a request that this server could not understand.' }
const notFound = {
  message:
    'The requested URL was not found on the server. ' +
    'If you entered the URL manually please check your spelling and try again.',
}
const JSON_TYPE = { 'content-type': 'application/json' }
const allow = { allow: 'POST, OPTIONS' }
const allowOne = { allow: 'PUT, OPTIONS, DELETE' }

const ACCOUNTS: Row[] = [
  [1, 'must', 'POST /register', { json: person }, 200, token],
  [2, 'must', 'POST /register', { json: { ...person, admin: true } }, 200, token],
  [3, 'must', 'POST /register', { json: { ...person, id: 777 } }, 200, token],
  [15, 'should', 'POST /register', { headers: JSON_TYPE, raw: '{"name":' }, 400, badRequest],
  [16, 'should', 'POST /register', {}, 415],
  [17, 'should', 'POST /register', { form: person }, 415],
  [18, 'should', 'GET /register', {}, 405, wrongMethod, allow],
  [19, 'should', 'POST /register/', { json: person }, 404, notFound],
  [20, 'must', 'POST /login', { json: login }, 200, token],
  [30, 'should', 'POST /login', { headers: JSON_TYPE, raw: '{' }, 400, badRequest],
  [31, 'should', 'POST /login', { headers: JSON_TYPE, raw: '' }, 400, badRequest],
  [32, 'should', 'POST /login', {}, 415],
  [33, 'should', 'POST /login', { form: login }, 415],
  [34, 'should', 'GET /login', {}, 405, wrongMethod, allow],
]

const TUTORIALS: Row[] = [
  [36, 'must', 'GET /tutorials', { headers: a }, 200, []],
  [37, 'must', 'GET /tutorials', { headers: a }, 200, [mine, { ...mine, id: '{{tid2}}' }]],
  [38, 'must', 'GET /tutorials', { headers: b }, 200, [{ ...mine, id: '{{tid_b}}' }]],
  [40, 'must', 'POST /tutorials', { headers: a, json: video }, 200, { ...video, id: '<id>', user_id: '<id>' }],
  [41, 'must', 'POST /tutorials', { headers: a, json: korean }, 200, { ...korean, id: '<id>', user_id: '<id>' }],
  [42, 'must', 'POST /tutorials', { json: video }, 401, noHeader],
  [48, 'should', 'POST /tutorials', { headers: { ...a, ...JSON_TYPE }, raw: '{' }, 400, badRequest],
  [49, 'should', 'POST /tutorials', { headers: a, form: video }, 415],
  [
    50,
    'must',
    'PUT /tutorials/{{tid}}',
    { headers: a, json: { name: 'changed', description: 'd2' } },
    200,
    { ...mine, name: 'changed', description: 'd2' },
  ],
  [51, 'must', 'PUT /tutorials/{{tid}}', { headers: a, json: { name: 'changed' } }, 200, { ...mine, name: 'changed' }],
  [52, 'must', 'PUT /tutorials/{{tid}}', { headers: a, json: {} }, 200, mine],
  [53, 'must', 'PUT /tutorials/{{tid}}', { headers: b, json: { name: 'stolen' } }, 404, notYours],
  [54, 'must', 'PUT /tutorials/999999', { headers: a, json: { name: 'x' } }, 404, notYours],
  [55, 'must', 'PUT /tutorials/{{tid}}', { json: { name: 'x' } }, 401, noHeader],
  [59, 'should', 'PUT /tutorials/{{tid}}', { headers: { ...a, ...JSON_TYPE }, raw: '{' }, 400, badRequest],
  [60, 'should', 'PUT /tutorials/{{tid}}', { headers: a, form: { name: 'x' } }, 415],
  [61, 'should', 'PUT /tutorials/abc', { headers: a, json: { name: 'x' } }, 404, notFound],
  [62, 'should', 'PUT /tutorials/-1', { headers: a, json: { name: 'x' } }, 404, notFound],
  [63, 'must', 'DELETE /tutorials/{{tid}}', { headers: a }, 204],
  [64, 'must', 'DELETE /tutorials/{{tid}}', { headers: b }, 404, notYours],
  [65, 'must', 'DELETE /tutorials/{{gone}}', { headers: a }, 404, notYours],
  [66, 'must', 'DELETE /tutorials/999999', { headers: a }, 404, notYours],
  [67, 'must', 'DELETE /tutorials/{{tid}}', {}, 401, noHeader],
  [68, 'should', 'GET /tutorials/1', { headers: a }, 405, wrongMethod, allowOne],
  [69, 'should', 'PATCH /tutorials/1', { headers: a, json: {} }, 405, wrongMethod, allowOne],
  [70, 'should', 'DELETE /tutorials', { headers: a }, 405, wrongMethod, { allow: 'OPTIONS, POST, GET, HEAD' }],
  [71, 'should', 'GET /tutorials/', { headers: a }, 404, notFound],
  [76, 'should', 'GET /nope', {}, 404],
]

/**
 * How many tutorials the users a and b have before the request of a row. By default a has one, `{{tid}}`, and b none.
 */
const ROWS_BEFORE: Record<number, { a: number; b: number }> = {
  36: { a: 0, b: 0 },
  37: { a: 2, b: 1 },
  38: { a: 1, b: 1 },
}

async function twoPeople({ send }: Compat, row: number): Promise<Values> {
  const values: Values = { uniq: `row${row}` }
  const before = ROWS_BEFORE[row] ?? { a: 1, b: 0 }
  for (const who of ['a', 'b'] as const) {
    const json = { name: who, email: `${who}-row${row}@example.com`, password: `pw-${who}` }
    values[`token_${who}`] = JSON.parse((await send('POST /register', { json })).text).access_token
    for (let count = 0; count < before[who]; count += 1) {
      const headers = { authorization: `Bearer ${values[`token_${who}`]}` }
      const { id } = JSON.parse((await send('POST /tutorials', { headers, json: video })).text)
      values[who === 'b' ? 'tid_b' : count === 0 ? 'tid' : 'tid2'] = id
    }
  }
  return values
}

async function withGone(compat: Compat, row: number): Promise<Values> {
  const values = await twoPeople(compat, row)
  if (row === 65) {
    await compat.send(`DELETE /tutorials/${values.tid}`, { headers: { authorization: `Bearer ${values.token_a}` } })
    values.gone = values.tid ?? 0
  }
  return values
}

t.test('the recorded requests of the Flask tutorials API get the recorded answers', async (t) => {
  const compat = await startCompat(t)
  await holdRows(t, compat, [...ACCOUNTS, ...TUTORIALS], (row) => withGone(compat, row))
})

t.test('input that crashes the tutorial, or gives access to other users, gets a defined answer', async (t) => {
  const compat = await startCompat(t, { PASSWORD_MIN_LENGTH: '4' })
  const wrong = { msg: 'Bad email or password' }
  const noLogin = { msg: 'Missing email or password' }
  const incomplete = { message: 'name and description are required' }
  const missing = { msg: 'Missing name, email or password' }
  const other = { ...video, id: 777_777, user_id: 1 }
  const rows: Row[] = [
    [1, 'must', 'POST /login', { json: { ...login, password: 'no' } }, 401, wrong],
    [2, 'must', 'POST /login', { json: { email: 'nobody@example.com', password: 'x' } }, 401, wrong],
    [3, 'must', 'POST /login', { json: { email: 'A-{{uniq}}@example.com', password: 'pw-a' } }, 401, wrong],
    [4, 'must', 'POST /login', { json: { ...login, password: 'pw-a\0' } }, 401, wrong],
    [5, 'must', 'POST /login', { json: { email: 'a-{{uniq}}@example.com' } }, 400, noLogin],
    [6, 'must', 'POST /login', { json: { email: 5, password: 'x' } }, 400, noLogin],
    [7, 'must', 'POST /login', { json: { ...login, extra: 1 } }, 200, token],
    [8, 'must', 'POST /register', { json: { name: 'x', email } }, 400, missing],
    [9, 'must', 'POST /register', { json: { ...person, name: 5 } }, 400, missing],
    [10, 'must', 'POST /register', { json: ['x'] }, 400, missing],
    [
      11,
      'must',
      'POST /register',
      { json: { ...person, email: 'a-{{uniq}}@example.com' } },
      409,
      { msg: 'Email already registered' },
    ],
    [
      12,
      'must',
      'POST /register',
      { json: { ...person, password: '123' } },
      400,
      { msg: 'A password has at least 4 characters.' },
    ],
    [13, 'must', 'POST /register', { json: { ...person, name: 'x'.repeat(251) } }, 400],
    [14, 'must', 'POST /register', { json: { ...person, email: 'a\0b' } }, 400],
    [15, 'must', 'POST /tutorials', { headers: a, json: { name: 'x' } }, 400, incomplete],
    [16, 'must', 'POST /tutorials', { headers: a, json: { name: 'x', description: 5 } }, 400, incomplete],
    [17, 'must', 'POST /tutorials', { headers: a, json: { name: 'x\0', description: 'y' } }, 400, incomplete],
    [18, 'must', 'POST /tutorials', { headers: a, json: null }, 400, incomplete],
    [23, 'must', 'POST /tutorials', { headers: a, json: { ...video, name: 'x'.repeat(251) } }, 400],
    [24, 'must', 'PUT /tutorials/{{tid}}', { headers: a, json: { description: 'x'.repeat(10_001) } }, 400],
    [19, 'must', 'PUT /tutorials/{{tid}}', { headers: a, json: { name: null } }, 400],
    [20, 'must', 'PUT /tutorials/{{tid}}', { headers: a, json: [1] }, 400],
    [21, 'must', 'PUT /tutorials/99999999999999999999', { headers: a, json: {} }, 404, notYours],
    [22, 'must', 'DELETE /tutorials/0x10', { headers: a }, 404],
  ]
  await holdRows(t, compat, rows, (row) => twoPeople(compat, row))

  const { token_a, token_b, tid } = await twoPeople(compat, 99)
  const [ann, ben] = [token_a, token_b].map((text) => ({ authorization: `Bearer ${text}` }))
  const moved = await compat.send(`PUT /tutorials/${tid}`, { headers: { ...ann }, json: other })
  const made = await compat.send('POST /tutorials', { headers: { ...ann }, json: other })
  for (const answer of [moved, made]) {
    t.equal(answer.status, 200)
    t.not(JSON.parse(answer.text).user_id, 1)
    t.not(JSON.parse(answer.text).id, 777_777)
  }
  t.same(JSON.parse((await compat.send('GET /tutorials', { headers: { ...ben } })).text), [])
})
