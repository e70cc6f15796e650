// On SQLite alone: the rules for passwords do not depend on the database.

import t from 'tap'
import { PASSWORD, type Service, startService } from '../helper.js'

t.test('a password is 8 to 256 characters long, however many bytes each takes', async (t) => {
  const service = await startService(t)
  const lengths: [string, number][] = [
    ['', 400],
    ['lantern', 400],
    ['lanterns of', 201],
    ['quietsea', 201],
    ['🏮'.repeat(7), 400],
    ['🏮🌊🏮🌙🏮⛵🏮🌊', 201],
    [`${'등불'.repeat(3)}셋`, 400],
    ['고요한등불세개다', 201],
    [long('x', 256), 201],
    [long('x', 257), 400],
    [long('🏮', 256), 201],
    [long('🏮', 257), 400],
    [long('가', 256), 201],
  ]
  for (const [index, [password, status]] of lengths.entries()) {
    const response = await register(service, `person-${index}`, password)
    t.equal(response.statusCode, status, `${[...password].length} characters: ${password.slice(0, 16)}`)
    if (status === 201) t.ok(await service.logIn(`person-${index}`, password))
    else t.match(response.json().code, /^(password_rejected|validation_failed)$/)
  }
  t.match((await register(service, 'mina', 'lantern')).json(), { code: 'password_rejected', detail: /at least 8/ })
})

t.test('the minimum length of a password is a setting', async (t) => {
  const lax = await startService(t, { PASSWORD_MIN_LENGTH: '1' })
  t.equal((await register(lax, 'mina', '무')).statusCode, 201)
  t.ok(await lax.logIn('mina', '무'))
  t.equal((await register(lax, 'joon', '')).statusCode, 400)
  const strict = await startService(t, { PASSWORD_MIN_LENGTH: '64' })
  t.match((await register(strict, 'mina', long('x', 63))).json(), { status: 400, detail: /at least 64/ })
  t.equal((await register(strict, 'mina', long('x', 64))).statusCode, 201)
})

const COMMON = [
  'password1234567',
  'Password1234567',
  'ｐａｓｓｗｏｒｄ１２３',
  'iloveyou!!!!',
  'qwertyuiop',
  '12345678',
]
const OWN = [
  'latchkey',
  'Latchkey2026!',
  'minakim99',
  'MINAKIM_1',
  'mina.k.1990',
  'Mina.K.1990!!',
  'mina.k.1990@example.com',
  'mina of the lanterns',
  'MINA of the Lanterns 7',
]

t.test('common passwords, names of the user and the name of the service are rejected as passwords', async (t) => {
  const service = await startService(t)
  const mina = { username: 'minakim', email: 'mina.k.1990@example.com', name: 'Mina of the lanterns' }
  for (const [passwords, reason] of [
    [COMMON, /most common/],
    [OWN, /name of yours/],
  ] as const) {
    for (const password of passwords) {
      const response = await service.post('/v1/register', { ...mina, password })
      t.match(response.json(), { status: 400, code: 'password_rejected', detail: reason }, password)
      t.notOk(response.json().detail?.includes(password), 'the answer does not repeat it')
    }
  }
  t.equal((await service.post('/v1/register', { ...mina, password: PASSWORD })).statusCode, 201)
  t.equal((await register(service, 'joon', 'minakim99')).statusCode, 201, 'a name of another user is allowed')
})

t.test('a password may begin with a name or a common word if more words follow', async (t) => {
  const service = await startService(t)
  for (const [username, password] of [
    ['minakim', 'minakim and the sea'],
    ['mina', 'mina는 등불 세 개를 좋아한다'],
    ['joon', 'password고요한등불셋이있다'],
    ['jose', 'hello 안녕하세요 여러분'],
    ['soo-ah', 'welcome été à là'],
  ] as const) {
    t.match((await register(service, username, password)).json(), { user: { username } }, password)
  }
})

t.test('a password may consist of any kinds of characters', async (t) => {
  const service = await startService(t)
  const passwords = [
    'onlysmallletters',
    '                 ',
    '조용한 등불 셋이 있다',
    '\t\n tabs and lines \r',
    '💡🏮💡🏮🕯🕯🕯🔥',
    '"\'; -- \\ %00',
  ]
  for (const [index, password] of passwords.entries()) {
    t.equal((await register(service, `person-${index}`, password)).statusCode, 201, JSON.stringify(password))
    t.ok(await service.logIn(`person-${index}`, password))
  }
})

t.test(
  'without the blocklist common passwords are allowed, but not NUL and not passwords that are too short',
  async (t) => {
    const service = await startService(t, { PASSWORD_BLOCKLIST: 'off' })
    for (const [index, password] of ['password1234567', 'latchkey', 'person-2'].entries()) {
      t.equal((await register(service, `person-${index}`, password)).statusCode, 201, password)
    }
    t.equal((await register(service, 'mina', 'lantern')).statusCode, 400)
    t.equal((await register(service, 'mina', 'three\0quiet')).statusCode, 400)
  },
)

t.test('NUL, unpaired surrogates and undecodable bytes are rejected in passwords that are set or tried', async (t) => {
  const service = await startService(t)
  await service.signUp('mina')
  // bcrypt repeats a short key with its NUL, and UTF-8 has one replacement for all lone surrogates: different texts
  // would be the same password.
  const unclear = ['lantern\0lantern', '\0lanterns', 'lanterns\0', 'lanterns\ud83c', '\udfeelanterns', 'lanterns\ufffd']
  for (const password of unclear) {
    const set = await register(service, 'joon', password)
    t.match(set.json(), { status: 400, code: 'password_rejected' }, JSON.stringify(password))
    const tried = await service.post('/v1/login', { username: 'mina', password })
    t.match(tried.json(), { status: 400, code: 'password_rejected' }, JSON.stringify(password))
  }
  const start = Buffer.from('{"username":"joon","password":"lanterns')
  const bytes = await service.post('/v1/register', Buffer.concat([start, Buffer.from([0xff, 0x22, 0x7d])]), {
    'content-type': 'application/json',
  })
  t.equal(bytes.statusCode, 400)
  t.match((await service.post('/v1/login', { username: 'joon', password: PASSWORD })).json(), { status: 401 })
})

t.test('a password matches in any Unicode composition, and not with any other difference', async (t) => {
  const service = await startService(t)
  const tries: { set: string; tried: string; status: number }[] = [
    { set: 'les étés à la mer', tried: 'les étés à la mer'.normalize('NFD'), status: 200 },
    { set: '고요한 등불 셋'.normalize('NFD'), tried: '고요한 등불 셋', status: 200 },
    { set: 'ｗｉｄｅ lanterns', tried: 'wide lanterns', status: 200 },
    { set: PASSWORD, tried: PASSWORD.toUpperCase(), status: 401 },
    { set: PASSWORD, tried: `${PASSWORD} `, status: 401 },
    { set: PASSWORD, tried: ` ${PASSWORD}`, status: 401 },
    { set: PASSWORD, tried: PASSWORD.replaceAll(' ', ''), status: 401 },
    { set: 'les étés à la mer', tried: 'les etes a la mer', status: 401 },
    // bcrypt reads 72 bytes, which are 24 Korean syllables.
    { set: `${long('x', 72)}b`, tried: `${long('x', 72)}c`, status: 401 },
    { set: `${long('x', 72)}b`, tried: long('x', 72), status: 401 },
    { set: `${long('가', 24)} 고요한 등불`, tried: `${long('가', 24)} 고요한 바다`, status: 401 },
    { set: `${long('x', 70)}가`, tried: `${long('x', 70)}각`, status: 401 },
    { set: `${long('가', 255)}나`, tried: `${long('가', 255)}다`, status: 401 },
    { set: `${long('가', 255)}나`, tried: `${long('가', 255)}나`, status: 200 },
  ]
  for (const [index, { set, tried, status }] of tries.entries()) {
    const username = `person-${index}`
    t.equal((await register(service, username, set)).statusCode, 201)
    const response = await service.post('/v1/login', { username, password: tried })
    t.equal(response.statusCode, status, `${set.slice(-12)} / ${tried.slice(-12)}`)
  }
})

function long(character: string, length: number): string {
  return character.repeat(length)
}

function register(service: Service, username: string, password: string) {
  return service.post('/v1/register', { username, password })
}
