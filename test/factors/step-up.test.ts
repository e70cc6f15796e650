import { eq } from 'drizzle-orm'
import t from 'tap'
import { claimsOf, PASSWORD, type Person, startService } from '../helper.js'
import { bearer } from '../support/replica.js'
import { addTotp } from './people.js'

t.setTimeout(120_000)

t.test('changing factors needs a recent log-in, and listing them does not', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const phone = await addTotp(mina)
  const old = bearer(await aged(mina))
  for (const [method, url, payload] of [
    ['POST', '/v1/me/totp', {}],
    ['POST', '/v1/me/totp/confirm', { code: phone.code() }],
    ['POST', '/v1/me/recovery-codes', undefined],
    ['DELETE', `/v1/me/factors/${phone.id}`, undefined],
  ] as const) {
    const response = await service.request({ method, url, headers: old, ...(payload && { payload }) })
    t.match(response.json(), { status: 401, code: 'reauthentication_required' }, url)
  }
  t.equal((await service.get('/v1/me/factors', old)).statusCode, 200, 'listing needs no recent log-in')
})

t.test('an account with a factor re-authenticates with the factor, never with the password alone', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const [phone, other] = [await addTotp(mina), await addTotp(joon)]
  const old = bearer(await aged(mina))
  const prove = (proof: object) => service.post('/v1/reauthenticate', proof, old)
  t.match((await prove({ current_password: PASSWORD })).json(), {
    status: 403,
    code: 'mfa_required',
    methods: ['totp', 'recovery_code'],
  })
  t.match((await prove({ totp: phone.wrongCode() })).json(), { status: 403, code: 'wrong_code' })
  t.match((await prove({ recovery_code: other.recoveryCodes[0] })).json(), { status: 403, code: 'wrong_code' })
  const change = { current_password: PASSWORD, new_password: 'four louder lanterns' }
  for (const [url, body] of [
    ['/v1/me/password', change],
    ['/v1/me/delete', { current_password: PASSWORD }],
  ] as const) {
    t.match((await service.post(url, body, old)).json(), { status: 401, code: 'reauthentication_required' }, url)
  }
  const answer = await prove({ recovery_code: phone.recoveryCodes[0] })
  t.equal(answer.statusCode, 200)
  const { access_token: token } = answer.json()
  t.same(claimsOf(token).amr, ['otp'])
  t.equal((await service.post('/v1/me/password', change, bearer(token))).statusCode, 204)
  const login = await service.post('/v1/login', { username: 'mina', password: 'four louder lanterns' })
  t.equal(login.json().code, 'mfa_required', 'a new password removes no factor')
})

t.test('a password reset removes no factor', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  await addTotp(mina)
  const token = (await service.app.administration.createPasswordReset(mina.id, { id: null }))?.token
  const reset = await service.post('/v1/password-reset', { token, new_password: 'four louder lanterns' })
  t.equal(reset.statusCode, 204)
  const login = await service.post('/v1/login', { username: 'mina', password: 'four louder lanterns' })
  t.equal(login.json().code, 'mfa_required')
})

/** An access token of a session whose log-in was ten minutes ago. */
async function aged({ service, id, login }: Person): Promise<string> {
  const { db, tables } = service.app.database
  const authTime = Date.now() - 600_000
  await db.update(tables.sessions).set({ authTime }).where(eq(tables.sessions.userId, id))
  return (await service.post('/v1/refresh', { refresh_token: login.refresh_token })).json().access_token
}
