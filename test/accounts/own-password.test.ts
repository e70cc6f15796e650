import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { countBy, PASSWORD, Person, type Service, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'

const NEXT = 'four louder lanterns'

t.test('a password change invalidates the old password and ends all other sessions', async (t) => {
  const { service, mina, elsewhere, joon } = await twoPeople(t)
  const changed = await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT })
  t.equal(changed.statusCode, 204)
  t.equal(changed.body, '')
  t.equal(await sessionStatus(elsewhere), DEAD)
  t.equal(await sessionStatus(mina), ALIVE, 'the session that changed the password stays alive')
  t.match((await logIn(service, PASSWORD)).json(), { status: 401, code: 'invalid_credentials' })
  t.match((await logIn(service, NEXT)).json(), { user: { id: mina.id } })
  t.equal(await sessionStatus(joon), ALIVE)
  t.equal((await service.logIn('joon')).id, joon.id)
})

t.test('without the right current password nothing changes', async (t) => {
  const { service, mina, elsewhere } = await twoPeople(t)
  for (const current_password of ['x', NEXT, PASSWORD.toUpperCase(), `${PASSWORD} `, PASSWORD.slice(0, -1)]) {
    const answer = await mina.post('/v1/me/password', { current_password, new_password: NEXT })
    t.match(answer.json(), { status: 403, code: 'wrong_password' }, current_password)
    t.equal(answer.headers['www-authenticate'], undefined, 'no challenge, as the token is valid')
  }
  const json = { 'content-type': 'application/json' }
  const malformed = [
    { new_password: NEXT },
    { current_password: PASSWORD },
    { current_password: '', new_password: NEXT },
    { current_password: PASSWORD, new_password: '' },
    { current_password: null, new_password: NEXT },
    { current_password: [PASSWORD], new_password: NEXT },
    { current_password: PASSWORD, new_password: 1234567890 },
    { current_password: PASSWORD, new_password: NEXT, user_id: 2 },
    { current_password: PASSWORD, new_password: NEXT, role: 'admin' },
    '{"current_password":"\\ud800","new_password":"four louder lanterns"}',
  ]
  for (const body of malformed) {
    const answer = await mina.post('/v1/me/password', body, json)
    t.equal(answer.statusCode, 400, JSON.stringify(body))
    t.notMatch(answer.body, new RegExp(`${PASSWORD}|${NEXT}`))
  }
  t.equal((await service.post('/v1/me/password', { current_password: PASSWORD, new_password: NEXT })).statusCode, 401)
  t.equal((await logIn(service, NEXT)).statusCode, 401)
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)
  t.equal(await sessionStatus(elsewhere), ALIVE)
})

t.test('a new password that breaks the rules is rejected, and nothing changes', async (t) => {
  const { service, mina, elsewhere } = await twoPeople(t)
  await mina.patch('/v1/me', { name: 'Wintergarten', email: 'quietlantern@example.com', current_password: PASSWORD })
  const refused = {
    'seven characters': 'abcdefg',
    'seven emoji': '🪴'.repeat(7),
    common: 'password1234567',
    'the service': 'Latchkey2026!',
    'the own name': 'wintergarten',
    'the own address': 'QuietLantern@example.com',
    'the local part of the own address': 'quietlantern',
    NUL: 'four\0louder lanterns',
    'the replacement character U+FFFD': 'four louder\ufffd lanterns',
    'one character more than allowed': 'x'.repeat(257),
  }
  for (const [name, new_password] of Object.entries(refused)) {
    const answer = await mina.post('/v1/me/password', { current_password: PASSWORD, new_password })
    t.equal(answer.statusCode, 400, name)
    t.match(answer.json().code, /^(password_rejected|validation_failed)$/, name)
    t.notMatch(answer.body, new_password)
    t.equal((await logIn(service, new_password)).statusCode === 200, false, name)
  }
  t.equal((await logIn(service, PASSWORD)).statusCode, 200)
  t.equal(await sessionStatus(elsewhere), ALIVE)
})

t.test('the composed and decomposed forms of a password are equivalent', async (t) => {
  const { service, mina } = await twoPeople(t)
  const [composed, decomposed] = ['조용한 등불 세 개'.normalize('NFC'), '조용한 등불 세 개'.normalize('NFD')]
  t.not(composed, decomposed)
  t.equal(
    (await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: decomposed })).statusCode,
    204,
  )
  t.equal((await logIn(service, composed)).statusCode, 200)
  t.equal((await mina.post('/v1/me/password', { current_password: composed, new_password: NEXT })).statusCode, 204)
})

t.test('of five password changes at once, one succeeds, and only its password logs in', async (t) => {
  const { service, mina } = await twoPeople(t)
  const wanted = Array.from({ length: 5 }, (_, n) => `${NEXT} ${n}`)
  const answers = await Promise.all(
    wanted.map((new_password) => mina.post('/v1/me/password', { current_password: PASSWORD, new_password })),
  )
  t.same(
    countBy(answers, ({ statusCode }) => statusCode),
    { 204: 1, 403: 4 },
  )
  const winner = answers.findIndex(({ statusCode }) => statusCode === 204)
  for (const [index, password] of wanted.entries()) {
    t.equal((await logIn(service, password)).statusCode, index === winner ? 200 : 401, password)
  }
})

// A log-in may read the row before the change and start its session after it. That session must not be live.
t.test('a log-in with the old password during the change leaves no live session', { timeout: 300_000 }, async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  let [current, next] = [PASSWORD, NEXT]
  for (let round = 0; round < 10; round += 1) {
    let isChanged = false
    const body = { current_password: current, new_password: next }
    const change = served(() => mina.post('/v1/me/password', body)).finally(() => {
      isChanged = true
    })
    const logIns = []
    while (!isChanged && logIns.length < 25) {
      logIns.push(logIn(service, current))
      await turn()
    }
    t.equal((await change).statusCode, 204)
    for (const answer of await Promise.all(logIns)) {
      // 503: log-ins wait for each other, on a busy machine for too long.
      t.ok([200, 401, 503].includes(answer.statusCode), `${answer.statusCode}`)
      if (answer.statusCode === 200) t.equal(await sessionStatus(new Person(service, answer.json())), DEAD)
    }
    t.match((await served(() => mina.get('/v1/sessions'))).json().items, { length: 1 })
    ;[current, next] = [next, current]
  }
})

/**
 * Repeats a request until its status is not 503. A busy machine rejects requests with 503 before they change anything.
 */
async function served(ask: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const answer = await ask()
    if (answer.statusCode !== 503) return answer
    await sleep(50)
  }
}

async function twoPeople(t: Test) {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  return { service, mina, elsewhere: await service.logIn('mina'), joon }
}

function logIn(service: Service, password: string) {
  return service.post('/v1/login', { username: 'mina', password })
}
