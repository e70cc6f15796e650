import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'
import { bearer, startSecond } from '../support/replica.js'
import { type Authenticator, addTotp, forget, ticketOf } from './people.js'
import { addPasskey, question } from './software-passkey.js'

t.setTimeout(120_000)

const EMAIL = 'mina@example.com'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Logs in at an endpoint. Returns the status with `token`, or with the code or the message of the error. */
type Endpoint = (service: Service, password: string, factor?: Record<string, string>) => Promise<string>

const ENDPOINTS: Record<string, Endpoint> = {
  '/v1/login': async (service, password) => said(await service.post('/v1/login', { username: 'mina', password })),
  '/v1/token': async (service, password, factor = {}) => {
    const body = new URLSearchParams({ grant_type: 'password', username: 'mina', password, ...factor }).toString()
    return said(await service.request({ method: 'POST', url: '/v1/token', payload: body, headers: FORM }))
  },
  '/api/user/login': async (service, password) => {
    const payload = new URLSearchParams({ username: 'mina', password }).toString()
    return said(await service.app.inject({ method: 'POST', url: '/api/user/login', payload, headers: FORM }))
  },
  '/login/': async (service, password) => json(service, '/login/', { username: 'mina', password }),
  '/login by name': async (service, password) => json(service, '/login', { username: 'mina', password }),
  '/login by address': async (service, password) => json(service, '/login', { email: EMAIL, password }),
}
const COMPAT = Object.keys(ENDPOINTS).filter((endpoint) => !endpoint.startsWith('/v1/'))

t.test('every log-in endpoint asks for a code once TOTP is confirmed, not before or after its removal', async (t) => {
  const service = await start(t)
  const mina = await signUp(service)
  for (const [name, open] of Object.entries(ENDPOINTS)) {
    t.equal(await open(service, PASSWORD), '200 token', `${name}: no factor`)
    t.match(await open(service, `${PASSWORD}123456`), /^40[01] /, `${name}: digits after the password are part of it`)
  }
  await mina.post('/v1/me/totp')
  for (const [name, open] of Object.entries(ENDPOINTS))
    t.equal(await open(service, PASSWORD), '200 token', `${name}: TOTP not confirmed`)

  const phone = await addTotp(mina)
  t.equal(await open('/v1/login', service, PASSWORD), '403 mfa_required')
  t.equal(await open('/v1/token', service, PASSWORD), '400 mfa_required')
  for (const endpoint of COMPAT) {
    const wrong = await open(endpoint, service, 'wrong password 123')
    t.match(wrong, /^401 /)
    for (const typed of [
      PASSWORD,
      `${PASSWORD}${phone.wrongCode()}`,
      `wrong password${phone.code()}`,
      phone.code(),
      `${PASSWORD}${phone.recoveryCodes[0]}`,
    ]) {
      t.equal(await open(endpoint, service, typed), wrong, `${endpoint}: answered like a wrong password`)
    }
    t.equal(await withCode(phone, (code) => open(endpoint, service, `${PASSWORD}${code}`)), '200 token', endpoint)
  }
  for (const endpoint of ['/v1/login', '/v1/token']) {
    t.match(
      await open(endpoint, service, `${PASSWORD}${phone.code()}`),
      /^40[01] invalid/,
      `${endpoint} takes no digits after the password`,
    )
  }
  await mina.delete(`/v1/me/factors/${phone.id}`)
  for (const [name, open] of Object.entries(ENDPOINTS))
    t.equal(await open(service, PASSWORD), '200 token', `${name}: TOTP removed`)
})

t.test('with MFA=required, an account without a factor gets no token at any endpoint or by refresh', async (t) => {
  const before = await start(t)
  const [mina] = [await signUp(before)]
  const boss = await signUpAdmin(before, 'boss')
  const old = await before.app.inject({ method: 'POST', url: '/login', payload: { email: EMAIL, password: PASSWORD } })
  const compat = bearer(old.json().access_token)
  const todos = (service: Service) => service.app.inject({ method: 'GET', url: '/tutorials', headers: compat })
  t.equal((await todos(before)).statusCode, 200)

  const service = await startSecond(t, before, { MFA: 'required' })
  t.equal(await open('/v1/login', service, PASSWORD), '403 mfa_enrollment_required')
  t.equal(await open('/v1/token', service, PASSWORD), '400 mfa_enrollment_required')
  for (const endpoint of COMPAT) {
    t.equal(await open(endpoint, service, PASSWORD), await open(endpoint, service, 'wrong password 123'), endpoint)
  }
  for (const endpoint of Object.keys(ENDPOINTS))
    t.match(await open(endpoint, service, 'wrong password 123'), /^40[01] (?!mfa)/, endpoint)
  t.match((await todos(service)).statusCode, /^4/, 'an older token of a tutorial')
  const { refresh_token } = mina.login
  t.match((await service.post('/v1/refresh', { refresh_token })).json(), { status: 400, code: 'invalid_grant' })
  t.match((await mina.service.post('/v1/refresh', { refresh_token })).statusCode, 200, 'the session has not ended')
  const renewed = { current_password: PASSWORD }
  const prove = (at: Service) => at.post('/v1/reauthenticate', renewed, bearer(mina.token))
  t.match((await prove(service)).json(), { code: 'invalid_token' }, 're-authentication does not renew the access token')
  t.equal((await prove(before)).statusCode, 200)

  const forAdmins = await startSecond(t, before, { MFA: 'required_for_admins' })
  for (const [name, endpoint] of Object.entries(ENDPOINTS))
    t.equal(await endpoint(forAdmins, PASSWORD), '200 token', name)
  const admin = await forAdmins.post('/v1/login', { username: 'boss', password: PASSWORD })
  t.match(admin.json(), { code: 'mfa_enrollment_required' })
  t.match((await forAdmins.post('/v1/refresh', { refresh_token: boss.login.refresh_token })).json(), {
    code: 'invalid_grant',
  })
})

t.test('with only a passkey, no log-in endpoint accepts the password, alone or with digits after it', async (t) => {
  const service = await start(t)
  const mina = await signUp(service)
  const before = await service.logIn('mina')
  const { passkey, recoveryCodes } = await addPasskey(mina)
  t.match((await service.post('/v1/refresh', { refresh_token: before.login.refresh_token })).json(), {
    code: 'invalid_grant',
  })
  t.equal(await open('/v1/login', service, PASSWORD), '403 mfa_required')
  t.equal(await open('/v1/token', service, PASSWORD), '400 mfa_required')
  for (const endpoint of COMPAT) {
    const wrong = await open(endpoint, service, 'wrong password 123')
    for (const typed of [PASSWORD, `${PASSWORD}123456`]) t.equal(await open(endpoint, service, typed), wrong, endpoint)
  }
  const recovery_code = recoveryCodes[0] ?? ''
  t.equal(await ENDPOINTS['/v1/token']?.(service, PASSWORD, { recovery_code }), '200 token')
  const answer = { passkey: passkey.get(await question(service)) }
  t.equal(said(await service.post('/v1/login/passkey', answer)), '200 token')
})

t.test('a failed log-in with the right password is recorded with what its second factor lacks', async (t) => {
  const service = await start(t)
  const mina = await signUp(service)
  const reasons = async (at: Service, endpoints: string[], password: string, factor: Record<string, string> = {}) => {
    const { db, tables } = service.app.database
    await db.delete(tables.events)
    for (const endpoint of endpoints) await ENDPOINTS[endpoint]?.(at, password, factor)
    const events = await db.select().from(tables.events).where(eq(tables.events.type, 'login.failed'))
    return [...new Set(events.map(({ reason, userId }) => `${reason} of ${userId}`)), events.length]
  }
  const required = await startSecond(t, service, { MFA: 'required' })
  const each = COMPAT.length
  t.same(await reasons(required, COMPAT, PASSWORD), [`mfa_enrollment_required of ${mina.id}`, each])
  await addPasskey(mina)
  t.same(await reasons(service, COMPAT, PASSWORD), [`mfa_required of ${mina.id}`, each])
  t.same(await reasons(service, ['/v1/login'], PASSWORD), [0], 'the log-in goes on with a ticket')
  const wrong = (await addTotp(mina)).wrongCode()
  t.same(await reasons(service, COMPAT, `${PASSWORD}${wrong}`), [`wrong_code of ${mina.id}`, each])
  t.same(await reasons(service, ['/v1/token'], PASSWORD, { totp: wrong }), [`wrong_code of ${mina.id}`, 1])
  t.same(await reasons(service, COMPAT, `wrong password ${wrong}`), [`wrong_password of ${mina.id}`, each])
})

t.test('the token endpoint takes password and factor, and answers a wrong factor like a wrong password', async (t) => {
  const service = await start(t)
  const phone = await addTotp(await signUp(service))
  const wrong = await open('/v1/token', service, 'wrong password')
  t.equal(wrong, '400 invalid_grant')
  const send = (password: string, factor: Record<string, string>) => ENDPOINTS['/v1/token']?.(service, password, factor)
  t.equal(await send(PASSWORD, { totp: phone.wrongCode() }), wrong)
  t.equal(await send(PASSWORD, { recovery_code: 'AAAAA-AAAAA' }), wrong)
  t.equal(await send('wrong password', { totp: phone.code() }), wrong)
  t.equal(await send(PASSWORD, { totp: '', recovery_code: '' }), '400 mfa_required', 'empty fields count as absent')
  t.equal(await withCode(phone, async (totp) => String(await send(PASSWORD, { totp }))), '200 token')
  t.equal(await send(PASSWORD, { recovery_code: phone.recoveryCodes[0] ?? '' }), '200 token')
  t.equal(await send(PASSWORD, { recovery_code: phone.recoveryCodes[0] ?? '' }), wrong, 'a recovery code works once')
})

t.test('a refresh token from before the first factor is rejected, and one from a log-in with it works', async (t) => {
  const service = await start(t)
  const mina = await signUp(service)
  const before = await service.logIn('mina')
  const phone = await addTotp(mina)
  const old = await service.post('/v1/refresh', { refresh_token: before.login.refresh_token })
  t.match(old.json(), { code: 'invalid_grant' })
  const ticket = await ticketOf(service, 'mina')
  const done = await service.post('/v1/login/factor', { ticket, recovery_code: phone.recoveryCodes[0] })
  t.same(claimsOf(done.json().access_token).amr, ['pwd', 'otp', 'mfa'])
  t.equal((await service.post('/v1/refresh', { refresh_token: done.json().refresh_token })).statusCode, 200)
})

t.test(
  'wrong codes count as failed log-ins and lock the account, even with correct passwords in between',
  async (t) => {
    const service = await start(t, 'on')
    const phone = await addTotp(await signUp(service))
    const { db, tables } = service.app.database
    await db.delete(tables.knownNetworks)
    const ticket = await ticketOf(service, 'mina')
    const totp = phone.wrongCode()
    const codes: string[] = []
    for (let tries = 0; tries < 12; tries += 1) {
      codes.push(said(await service.post('/v1/login/factor', { ticket, totp })))
      if (tries < 9) t.equal(await open('/v1/login', service, PASSWORD), '403 mfa_required')
    }
    t.same(codes, [...Array(10).fill('403 wrong_code'), ...Array(2).fill('429 too_many_attempts')])
    t.equal(
      said(await service.post('/v1/login/factor', { ticket, recovery_code: phone.recoveryCodes[0] })),
      '429 too_many_attempts',
    )
    const types = (await db.select().from(tables.events)).map(({ type }) => type)
    t.equal(types.filter((type) => type === 'factor.rejected').length, 10)
    t.ok(types.includes('account.locked'))
  },
)

t.test('after a hundred wrong tries in a row, a log-in from an unknown network needs a recovery code', async (t) => {
  const service = await start(t, 'on')
  const phone = await addTotp(await signUp(service))
  const { db, tables } = service.app.database
  await db.delete(tables.knownNetworks)
  const ticket = await ticketOf(service, 'mina')
  await service.post('/v1/login/factor', { ticket, totp: phone.wrongCode() })
  const letIn = () => db.update(tables.throttle).set({ tries: 100, until: 0 })
  await letIn()
  t.equal(said(await service.post('/v1/login/factor', { ticket, totp: phone.code() })), '403 wrong_code')
  await letIn()
  t.equal(said(await service.post('/v1/login/factor', { ticket, recovery_code: phone.recoveryCodes[0] })), '200 token')
})

async function start(t: Test, throttle = 'off'): Promise<Service> {
  return startService(t, { LOGIN_THROTTLE: throttle, COMPAT: 'on' })
}

async function signUp(service: Service): Promise<Person> {
  const body = { username: 'mina', email: EMAIL, password: PASSWORD }
  t.equal((await service.post('/v1/register', body)).statusCode, 201)
  return service.logIn('mina')
}

function open(endpoint: string, service: Service, password: string): Promise<string> {
  return ENDPOINTS[endpoint]?.(service, password) ?? Promise.resolve('no such endpoint')
}

/** Uses the current code; if the clock moved to the next step meanwhile, uses the code of that step too. */
async function withCode(phone: Authenticator, use: (code: string) => Promise<string>): Promise<string> {
  const { service, id } = phone.person
  await forget(service, id)
  const first = await use(phone.code())
  return first === '200 token' ? first : use(phone.code())
}

async function json({ app }: Service, url: string, payload: object): Promise<string> {
  return said(await app.inject({ method: 'POST', url, payload }))
}

function said({ statusCode, payload }: { statusCode: number; payload: string }): string {
  const { access_token: token, code, error, msg, message, detail } = JSON.parse(payload)
  return `${statusCode} ${token === undefined ? (code ?? error ?? msg ?? message ?? detail) : 'token'}`
}
