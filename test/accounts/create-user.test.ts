import t from 'tap'
import { PASSWORD, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

t.test('an account that an admin creates accepts no password until a reset token sets one', async (t) => {
  const service = await startService(t, { REGISTRATION: 'closed' })
  const { id } = await service.app.registration.create({ username: 'boss', password: PASSWORD }, { role: 'admin' })
  const boss = await service.logIn('boss')
  const created = await boss.post('/v1/users', { username: 'Hana', email: 'hana@example.com', roles: ['editor'] })
  t.equal(created.statusCode, 201)
  const account = created.json()
  t.match(account, { username: 'Hana', email: 'hana@example.com', role: 'user', roles: ['editor'], is_active: true })
  t.equal(created.headers.location, `/v1/users/${account.id}`)
  for (const password of ['', PASSWORD, 'null', 'undefined']) {
    const { statusCode } = await service.post('/v1/login', { username: 'hana', password })
    t.equal(statusCode, password === '' ? 400 : 401, password)
  }
  const { token } = (await boss.post(`/v1/users/${account.id}/password-reset`)).json()
  const reset = await service.post('/v1/password-reset', { token, new_password: 'seven calm lanterns' })
  t.equal(reset.statusCode, 204)
  t.equal((await service.logIn('hana', 'seven calm lanterns')).id, account.id)
  const { items } = (await boss.get(`/v1/events?user_id=${account.id}&type=user.created`)).json()
  t.match(items, [{ actor_id: id }])
})

t.test('creating an account without a name, with a password or status, or with a taken name is rejected', async (t) => {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  const mina = await service.signUp('mina')
  const wrong: [object, number, string][] = [
    [{}, 400, 'validation_failed'],
    [{ name: 'Nobody' }, 400, 'validation_failed'],
    [{ username: '', email: null }, 400, 'validation_failed'],
    [{ username: 'hana', password: PASSWORD }, 400, 'validation_failed'],
    [{ username: 'hana', email_verified: true }, 400, 'validation_failed'],
    [{ username: 'hana', is_active: false }, 400, 'validation_failed'],
    [{ username: 'hana', roles: ['two words'] }, 400, 'validation_failed'],
    [{ username: 'h@na' }, 400, 'username_rejected'],
    [{ username: 'MINA' }, 409, 'username_taken'],
  ]
  for (const [body, status, code] of wrong) {
    t.match((await boss.post('/v1/users', body)).json(), { status, code }, JSON.stringify(body))
  }
  t.match((await mina.post('/v1/users', { username: 'hana' })).json(), { status: 403, code: 'insufficient_scope' })
  t.equal((await boss.get('/v1/users')).json().items.length, 2)
})

t.test('accounts are listed by exact user name, e-mail address and role, in any letter case', async (t) => {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  await boss.post('/v1/users', { username: 'hana', email: 'hana@example.com' })
  await boss.post('/v1/users', { username: 'hana2', email: 'hana@example.com.kr' })
  const found = async (query: string) =>
    (await boss.get(`/v1/users?${query}`)).json().items.map(({ username }: { username: string }) => username)
  t.same(await found('username=HANA'), ['hana'])
  t.same(await found('username=han'), [])
  t.same(await found('email=Hana@Example.com'), ['hana'])
  t.same(await found('email=hana'), [])
  t.same(await found('role=admin'), ['boss'])
  t.same(await found('role=user'), ['hana2', 'hana'])
  t.same(await found('role=user&username=boss'), [])
  const longest = 'z'.repeat(250)
  const payload = { username: longest, fullname: 'Zoe', password: PASSWORD }
  await service.app.inject({ method: 'POST', url: '/users/add_user/', payload })
  t.same(await found(`username=${longest}`), [longest], 'a user name of a tutorial')
})
