import t, { type Test } from 'tap'
import { type Person, type Service, startService } from '../helper.js'
import { operationsOf } from '../support/operations.js'
import { ALIVE, sessionStatus, signUpAdmin } from '../support/people.js'
import { requestTo, rowsOf } from './requests.js'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
/** This operation accepts a password instead of an access token, and checks the mailed token before either. */
const AFTER_THE_MAIL = 'confirmEmail'
const TABLES = ['users', 'todos', 'tutorials', 'one_time_tokens']

t.test('a refresh token or reset token is rejected where an access token is required', async (t) => {
  const { service, mina, resetToken } = await start(t)
  const guarded = operationsOf(service).filter(({ id, isGuarded }) => isGuarded && id !== AFTER_THE_MAIL)
  t.ok(guarded.length >= 25)
  const before = await rowsOf(service, TABLES)
  for (const operation of guarded) {
    for (const token of [mina.login.refresh_token, resetToken, `${mina.token}.${mina.login.refresh_token}`]) {
      const response = await service.app.inject(requestTo(operation, { token, body: operation.bodies[0] && {} }))
      const expected = operation.isCompat ? [401, 422] : [401]
      // The Flask tutorials answer 422 to a malformed token, as flask-jwt-extended does.
      t.ok(expected.includes(response.statusCode), `${operation.id}: ${response.statusCode}`)
    }
  }
  t.same(await rowsOf(service, TABLES), before)
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('an access token or reset token cannot refresh or end a session', async (t) => {
  const { service, mina, resetToken } = await start(t)
  for (const refresh_token of [mina.token, resetToken, `lkr_${mina.token}`]) {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token }).toString()
    t.match((await service.post('/v1/refresh', { refresh_token })).json(), { status: 400, code: 'invalid_grant' })
    t.match((await service.post('/v1/token', form, FORM)).json(), { error: 'invalid_grant' })
    t.equal(
      (await service.post('/v1/logout', { refresh_token })).statusCode,
      204,
      'a log-out returns 204 for any token',
    )
  }
  t.equal(await sessionStatus(mina), ALIVE)
})

t.test('an access or refresh token is accepted neither as a reset token nor as a password', async (t) => {
  const { service, mina } = await start(t)
  const before = await rowsOf(service, TABLES)
  for (const token of [mina.token, mina.login.refresh_token]) {
    const reset = await service.post('/v1/password-reset', { token, new_password: 'seven calm lanterns' })
    t.equal(reset.statusCode, 400)
    const { statusCode } = await mina.post('/v1/me/password', {
      current_password: token.slice(0, 256),
      new_password: 'seven calm lanterns',
    })
    t.equal(statusCode, 403)
    const login = await service.post('/v1/login', { username: 'mina', password: token.slice(0, 256) })
    t.equal(login.statusCode, 401)
  }
  t.same(await rowsOf(service, TABLES), before)
  t.equal(await sessionStatus(mina), ALIVE)
})

async function start(t: Test): Promise<{ service: Service; mina: Person; resetToken: string }> {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  const mina = await service.signUp('mina')
  const boss = await signUpAdmin(service, 'boss')
  const { token } = (await boss.post(`/v1/users/${mina.id}/password-reset`)).json()
  return { service, mina, resetToken: token }
}
