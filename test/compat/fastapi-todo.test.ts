import t from 'tap'
import { countBy } from '../helper.js'
import { addUser, holdRows, type Row, startCompat } from './wire.js'

// The table of seed 004. Every row is checked.
const ADD = '/users/add_user/'
const dave = { username: 'dave', password: 'dave-pw' }
const korean = { username: '한글사용자', password: '비밀번호1234' }
const name = 'u-{{uniq}}'
const full = { username: name, fullname: 'Full Name', password: 'pw1' }
const added = { username: name, fullname: 'Full Name', id: '<id>', is_active: true }
const token = { access_token: '<JWT>', token_type: 'bearer' }
const wrong = { detail: 'Incorrect username or password' }
const wrongMethod = { detail: 'Method Not Allowed' }
const bearer = { 'www-authenticate': 'Bearer' }
const allow = { allow: 'POST' }
const missing = (...names: string[]) => ({
  detail: names.map((field) => ({ type: 'missing', loc: ['body', field], msg: 'Field required', input: null })),
})
const both = missing('username', 'password')
const noBody = { detail: [{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }] }
const notString = (field: string, input: unknown) => ({
  detail: [{ type: 'string_type', loc: ['body', field], msg: 'Input should be a valid string', input }],
})
const JSON_TYPE = { 'content-type': 'application/json' }
const TEXT_TYPE = { 'content-type': 'text/plain' }
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' }

const SIGN_UP: Row[] = [
  [1, 'must', `POST ${ADD}`, { json: full }, 200, added],
  [2, 'must', `POST ${ADD}`, { json: { username: name, password: 'pw1' } }, 200, { ...added, fullname: null }],
  [3, 'must', `POST ${ADD}`, { json: { ...full, fullname: null } }, 200, { ...added, fullname: null }],
  [
    4,
    'must',
    `POST ${ADD}`,
    { json: { username: '사용자-{{uniq}}', fullname: '홍길동', password: '비밀' } },
    200,
    { ...added, username: '사용자-{{uniq}}', fullname: '홍길동' },
  ],
  [5, 'must', `POST ${ADD}`, { json: { ...full, is_active: false, id: 1 } }, 200, added],
  [
    8,
    'must',
    `POST ${ADD}`,
    { json: { username: 'dave', password: 'other' } },
    400,
    { detail: 'User already registered' },
  ],
  [9, 'should', `POST ${ADD}`, { json: { username: name } }, 422, missing('password')],
  [10, 'should', `POST ${ADD}`, { json: { password: 'x' } }, 422, missing('username')],
  [11, 'should', `POST ${ADD}`, { json: {} }, 422, both],
  [12, 'should', `POST ${ADD}`, { json: { username: 1234, password: 'x' } }, 422, notString('username', 1234)],
  [13, 'should', `POST ${ADD}`, { json: { username: name, password: null } }, 422, notString('password', null)],
  [14, 'should', `POST ${ADD}`, { json: { username: name, password: { a: 1 } } }, 422, notString('password', null)],
  [15, 'should', `POST ${ADD}`, { json: [1] }, 422],
  [16, 'should', `POST ${ADD}`, { headers: JSON_TYPE, raw: 'null' }, 422, noBody],
  [
    17,
    'should',
    `POST ${ADD}`,
    { headers: JSON_TYPE, raw: '{"username":' },
    422,
    {
      detail: [
        {
          type: 'json_invalid',
          loc: ['body', 12],
          msg: 'JSON decode error',
          input: {},
          ctx: { error: 'Expecting value' },
        },
      ],
    },
  ],
  [18, 'should', `POST ${ADD}`, { headers: JSON_TYPE, raw: '' }, 422, noBody],
  [19, 'should', `POST ${ADD}`, {}, 422, noBody],
  [21, 'should', `POST ${ADD}`, { headers: TEXT_TYPE, raw: '{"username":"tp-{{uniq}}","password":"x"}' }, 422],
  [22, 'should', `POST ${ADD}`, { form: { username: 'x', password: 'y' } }, 422],
  [
    25,
    'should',
    'POST /users/add_user',
    { json: full },
    307,
    undefined,
    { location: `http://127.0.0.1:{{port}}${ADD}` },
  ],
  [26, 'should', `GET ${ADD}`, {}, 405, wrongMethod, allow],
  [58, 'should', 'GET /nope', {}, 404],
  [61, 'must', 'GET /', {}, 200, { message: 'Hello, FastAPI!' }],
]

const LOG_IN: Row[] = [
  [28, 'must', 'POST /token', { form: { username: '{{added}}', password: 'pw-dup' } }, 200, token],
  [29, 'must', 'POST /token', { form: dave }, 200, token],
  [30, 'must', 'POST /token', { form: korean }, 200, token],
  [31, 'must', 'POST /token', { form: { ...dave, grant_type: 'password' } }, 200, token],
  [34, 'should', 'POST /token', { multipart: dave }, 200, token],
  [35, 'should', 'POST /token', { headers: { authorization: 'Basic Y2xpZW50OnNlY3JldA==' }, form: dave }, 200, token],
  [36, 'must', 'POST /token', { form: { ...dave, password: 'no' } }, 401, wrong, bearer],
  [37, 'must', 'POST /token', { form: { ...dave, username: 'nobody' } }, 401, wrong, bearer],
  [38, 'must', 'POST /token', { form: { ...dave, username: 'DAVE' } }, 401, wrong, bearer],
  [39, 'must', 'POST /token', { form: { ...dave, password: 'x'.repeat(100) } }, 401, wrong, bearer],
  [40, 'should', 'POST /token', { form: { username: 'dave' } }, 422, missing('password')],
  [41, 'should', 'POST /token', { form: { password: 'dave-pw' } }, 422, missing('username')],
  [42, 'should', 'POST /token', { headers: FORM_TYPE, raw: '' }, 422, both],
  [45, 'should', 'POST /token', { form: { ...dave, grant_type: 'client_credentials' } }, 422],
  [46, 'should', 'POST /token', { json: dave }, 422, both],
  [47, 'should', 'POST /token', {}, 422, both],
  [48, 'should', 'POST /token', { headers: TEXT_TYPE, raw: 'username=dave&password=dave-pw' }, 422, both],
  [49, 'should', 'POST /token?username=dave&password=dave-pw', {}, 422, both],
  [51, 'must', 'POST /token', { headers: FORM_TYPE, raw: 'username=dave&password=%zz' }, 401, wrong, bearer],
  [53, 'should', 'POST /token/', { form: dave }, 307, undefined, { location: 'http://127.0.0.1:{{port}}/token' }],
  [54, 'should', 'GET /token', {}, 405, wrongMethod, allow],
  [55, 'should', 'PUT /token', { form: dave }, 405, wrongMethod, allow],
]

t.test('the recorded requests of the FastAPI TODO application get the recorded answers', async (t) => {
  const compat = await startCompat(t)
  const { service, send } = compat
  await addUser(service, dave.username, dave.password)
  await addUser(service, korean.username, korean.password)
  t.equal((await send(`POST ${ADD}`, { json: { username: 'dup-1', password: 'pw-dup' } })).status, 200)
  await holdRows(t, compat, [...SIGN_UP, ...LOG_IN], (row) => ({ uniq: `row${row}`, added: 'dup-1' }))
})

t.test('input that crashes the tutorial, or that it accepts without a check, gets a defined answer', async (t) => {
  const compat = await startCompat(t, { PASSWORD_MIN_LENGTH: '8', PASSWORD_BLOCKLIST: 'on' })
  const short = { type: 'string_too_short', msg: 'String should have at least 1 character', ctx: { min_length: 1 } }
  const flaw = (field: string, rest: object) => ({ detail: [{ loc: ['body', field], input: null, ...rest }] })
  const rule = { type: 'value_error', msg: 'Value error, A password has at least 8 characters.' }
  const PASSWORD = 'three quiet lanterns'
  const rows: Row[] = [
    [1, 'must', `POST ${ADD}`, { json: { username: '', password: PASSWORD } }, 422, flaw('username', short)],
    [2, 'must', `POST ${ADD}`, { json: { username: 'a', password: '' } }, 422, flaw('password', short)],
    [3, 'must', `POST ${ADD}`, { json: { username: 'a', password: '1234' } }, 422, flaw('password', rule)],
    [4, 'must', `POST ${ADD}`, { json: { username: 'a', password: `${PASSWORD}\0` } }, 422],
    [5, 'must', `POST ${ADD}`, { json: { username: 'a\0', password: PASSWORD } }, 422],
    [
      6,
      'must',
      `POST ${ADD}`,
      { headers: JSON_TYPE, raw: '{"username":"\\ud800","password":"three quiet lanterns"}' },
      422,
    ],
    [7, 'must', `POST ${ADD}`, { json: { username: 'x'.repeat(251), password: PASSWORD } }, 422],
    [8, 'must', `POST ${ADD}`, { json: { username: 'x'.repeat(250), password: PASSWORD } }, 200],
    [
      9,
      'must',
      `POST ${ADD}`,
      { headers: JSON_TYPE, raw: `{"username":${'['.repeat(20_000)}${']'.repeat(20_000)}}` },
      422,
    ],
    [
      10,
      'must',
      `POST ${ADD}`,
      { headers: JSON_TYPE, raw: '{"__proto__":{"username":"a","password":"three quiet lanterns"}}' },
      422,
      both,
    ],
    [
      11,
      'must',
      `POST ${ADD}`,
      { json: { username: 'a', fullname: 5, password: PASSWORD } },
      422,
      notString('fullname', 5),
    ],
    [12, 'must', `POST ${ADD}`, { json: { username: 'admin-x', password: PASSWORD, role: 'admin' } }, 200],
    [13, 'must', 'POST /token', { form: { username: 'x'.repeat(250), password: `${PASSWORD}\0` } }, 401, wrong, bearer],
    // Names are unique regardless of spelling, but a log-in needs the registered spelling.
    [
      14,
      'must',
      `POST ${ADD}`,
      { json: { username: 'X'.repeat(250), password: PASSWORD } },
      400,
      { detail: 'User already registered' },
    ],
  ]
  await holdRows(t, compat, rows)
})

t.test('four equal sign-ups at once make one user', async (t) => {
  const { send } = await startCompat(t)
  const json = { username: 'eve', password: 'pw1' }
  const answers = await Promise.all(Array.from({ length: 4 }, () => send(`POST ${ADD}`, { json })))
  t.same(
    countBy(answers, ({ status }) => status),
    { 200: 1, 400: 3 },
  )
})

t.test('REGISTRATION=closed closes the tutorial sign-up too', async (t) => {
  const { send } = await startCompat(t, { REGISTRATION: 'closed' })
  const answer = await send(`POST ${ADD}`, { json: { username: 'eve', password: 'pw1' } })
  t.equal(answer.status, 403)
  t.type(JSON.parse(answer.text).detail, 'string')
})
