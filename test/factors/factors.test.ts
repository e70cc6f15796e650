import t from 'tap'
import { claimsOf, countBy, PASSWORD, startService } from '../helper.js'
import { ALIVE, DEAD, sessionStatus } from '../support/people.js'
import { startSecond } from '../support/replica.js'
import { addTotp, forget, ticketOf } from './people.js'

t.setTimeout(120_000)

t.test('TOTP is added, confirmed by its first code, listed, renamed and removed by its owner alone', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  t.same((await mina.get('/v1/me/factors')).json(), { items: [], recovery_codes_left: 0 })
  const begun = (await mina.post('/v1/me/totp', { name: 'phone' })).json()
  t.match(begun, {
    secret: /^[A-Z2-7]{32}$/,
    uri: /^otpauth:\/\/totp\/.*:mina\?issuer=/,
    qr: /^<svg [^<]*><path [^<]*\/><path [^<]*\/><\/svg>$/,
  })
  t.same((await mina.get('/v1/me/factors')).json().items, [], 'unconfirmed TOTP is not listed')
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 200)
  t.match((await mina.post('/v1/me/totp/confirm', { code: '000000' })).json(), { status: 403, code: 'wrong_code' })
  t.match((await joon.post('/v1/me/totp/confirm', { code: '000000' })).json(), { status: 403, code: 'wrong_code' })

  const phone = await addTotp(mina)
  t.equal(phone.recoveryCodes.length, 10)
  t.equal(new Set(phone.recoveryCodes).size, 10)
  for (const code of phone.recoveryCodes) t.match(code, /^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/)
  const [factor, ...others] = (await mina.get('/v1/me/factors')).json().items
  t.same(others, [])
  t.match(factor, { id: phone.id, type: 'totp', name: 'phone', last_used_at: null })
  t.notMatch(JSON.stringify(factor), 'secret')

  for (const [method, path] of [
    ['PATCH', ''],
    ['DELETE', ''],
  ] as const) {
    const payload = method === 'PATCH' ? { name: 'hers' } : undefined
    const url = `/v1/me/factors/${phone.id}${path}`
    const response = await joon.request({ method, url, ...(payload && { payload }) })
    t.match(response.json(), { status: 404, code: 'not_found' }, `${method} by another user`)
  }
  t.equal((await mina.patch(`/v1/me/factors/${phone.id}`, { name: 'old phone' })).statusCode, 204)
  t.match((await mina.get('/v1/me/factors')).json(), { items: [{ name: 'old phone' }], recovery_codes_left: 10 })
  t.equal((await mina.delete(`/v1/me/factors/${phone.id}`)).statusCode, 204)
  t.equal((await mina.delete(`/v1/me/factors/${phone.id}`)).statusCode, 404)
  t.same((await mina.get('/v1/me/factors')).json(), { items: [], recovery_codes_left: 0 })
  t.equal((await service.logIn('mina')).id, mina.id)
})

t.test('the first factor ends the other sessions of the user and keeps the current one', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const [other, joon] = [await service.logIn('mina'), await service.signUp('joon')]
  await addTotp(mina)
  t.equal(await sessionStatus(other), DEAD)
  t.equal(await sessionStatus(mina), ALIVE)
  t.equal(await sessionStatus(joon), ALIVE)
})

t.test('with TOTP, a log-in needs the password and a code, and its tokens name both in amr', async (t) => {
  const service = await startService(t)
  const phone = await addTotp(await service.signUp('mina'))
  const wrong = await service.post('/v1/login', { username: 'mina', password: 'four louder lanterns' })
  t.match(wrong.json(), { status: 401, code: 'invalid_credentials' })
  const first = await service.post('/v1/login', { username: 'mina', password: PASSWORD })
  t.match(first.json(), {
    status: 403,
    code: 'mfa_required',
    methods: ['totp', 'recovery_code'],
    ticket: /^[\w-]{40,}$/,
  })
  t.notMatch(first.payload, 'token"')
  const { ticket } = first.json()
  for (const [url, headers] of [
    ['/v1/me', { authorization: `Bearer ${ticket}` }],
    ['/v1/verify', { authorization: `Bearer ${ticket}` }],
  ] as const) {
    t.equal((await service.get(url, headers)).statusCode, 401, 'a ticket is no access token')
  }
  t.match((await service.post('/v1/login/factor', { ticket, totp: phone.wrongCode() })).json(), {
    status: 403,
    code: 'wrong_code',
  })
  const done = await service.post('/v1/login/factor', { ticket, totp: phone.code() })
  t.equal(done.statusCode, 200)
  t.same(claimsOf(done.json().access_token).amr, ['pwd', 'otp', 'mfa'])
  t.match((await phone.person.get('/v1/me/factors')).json().items[0].last_used_at, /^20/)
  const refreshed = await service.post('/v1/refresh', { refresh_token: done.json().refresh_token })
  t.same(claimsOf(refreshed.json().access_token).amr, ['pwd', 'otp', 'mfa'])
})

t.test('codes with spaces or full-width digits, and codes of the step before and after, are accepted', async (t) => {
  const service = await startService(t)
  const phone = await addTotp(await service.signUp('mina'))
  const ways = [
    () => phone.code(-1),
    () => phone.code(1),
    () => phone.code().replace(/^.../, '$& '),
    () => [...phone.code()].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join(''),
  ]
  for (const way of ways) {
    const ticket = await ticketOf(service, 'mina')
    // The clock may move to the next step between the two codes.
    const codes = [way(), way()]
    const answers = []
    for (const totp of codes) answers.push((await service.post('/v1/login/factor', { ticket, totp })).statusCode)
    t.ok(answers.includes(200), `${codes}`)
    await forget(service, phone.person.id)
  }
})

t.test('a code works once, an older one not at all, and of 20 concurrent uses in two processes one', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const second = await startSecond(t, service)
  const phone = await addTotp(await service.signUp('mina'))
  const ticket = await ticketOf(service, 'mina')
  const use = async (body: object, index = 0) =>
    (
      await (index % 2 ? second : service).app.inject({
        method: 'POST',
        url: '/v1/login/factor',
        payload: { ticket, ...body },
      })
    ).statusCode

  const next = phone.code(1)
  t.equal(await use({ totp: next }), 200)
  t.equal(await use({ totp: next }), 403, 'the same code again')
  t.equal(await use({ totp: phone.code(-1) }), 403, 'an older code')
  await forget(service, phone.person.id)
  const code = phone.code(1)
  const race = await Promise.all(Array.from({ length: 20 }, (_, index) => use({ totp: code }, index)))
  t.same(
    countBy(race, (status) => status),
    { 200: 1, 403: 19 },
  )
  const [recovery] = phone.recoveryCodes
  const codes = await Promise.all(Array.from({ length: 20 }, (_, index) => use({ recovery_code: recovery }, index)))
  t.same(
    countBy(codes, (status) => status),
    { 200: 1, 403: 19 },
  )
  t.equal((await phone.person.get('/v1/me/factors')).json().recovery_codes_left, 9)
})

t.test('a recovery code works for its own user only, and new recovery codes end the old ones', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await addTotp(await service.signUp('mina')), await addTotp(await service.signUp('joon'))]
  const ticket = await ticketOf(service, 'mina')
  const use = async (code = '') => (await service.post('/v1/login/factor', { ticket, recovery_code: code })).statusCode
  t.equal(await use(joon.recoveryCodes[0]), 403)
  t.equal(await use(mina.recoveryCodes[0]?.toLowerCase().replace('-', ' ')), 200)
  const replaced = (await mina.person.post('/v1/me/recovery-codes')).json().recovery_codes
  t.equal(replaced.length, 10)
  const again = await ticketOf(service, 'mina')
  t.match(
    (await service.post('/v1/login/factor', { ticket, recovery_code: replaced[0] })).json(),
    { code: 'invalid_ticket' },
    'new recovery codes end the ticket',
  )
  t.equal(
    (await service.post('/v1/login/factor', { ticket: again, recovery_code: mina.recoveryCodes[1] })).statusCode,
    403,
  )
  t.equal((await service.post('/v1/login/factor', { ticket: again, recovery_code: replaced[0] })).statusCode, 200)
  const stranger = await service.signUp('stranger')
  t.match((await stranger.post('/v1/me/recovery-codes')).json(), { status: 409, code: 'no_factor' })
})

t.test('a log-in ticket is for one active account, and no other token is accepted as a ticket', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await addTotp(await service.signUp('mina')), await addTotp(await service.signUp('joon'))]
  const ticket = await ticketOf(service, 'mina')
  const send = (body: object) => service.post('/v1/login/factor', body)
  t.match((await send({ ticket, totp: joon.code() })).json(), { code: 'wrong_code' })
  for (const other of ['x', mina.person.token, mina.person.login.refresh_token, `${ticket.slice(0, -2)}AA`]) {
    const body = { ticket: other.slice(0, 500), totp: mina.code() }
    t.match((await send(body)).json(), { status: 400, code: 'invalid_ticket' })
  }
  t.match((await send({ ticket })).json(), { code: 'validation_failed' })
  t.match((await send({ ticket, totp: mina.code(), recovery_code: 'x' })).json(), { code: 'validation_failed' })
  await service.app.administration.change(mina.person.id, { isActive: false }, { id: null })
  t.match((await send({ ticket, totp: mina.code() })).json(), { code: 'invalid_ticket' })
})

t.test('the tables hold no TOTP secret and no recovery code in plain text', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const { secret } = (await mina.post('/v1/me/totp')).json()
  const phone = await addTotp(mina)
  const { db, tables } = service.app.database
  const dump = JSON.stringify([await db.select().from(tables.factors), await db.select().from(tables.recoveryCodes)])
  t.match(dump, phone.id)
  for (const text of [secret, ...phone.recoveryCodes, ...phone.recoveryCodes.map((code) => code.replace('-', ''))]) {
    t.notOk(dump.includes(text))
  }
})
