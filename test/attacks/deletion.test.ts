import t from 'tap'
import { pruneAll, prunesOf } from '../../src/accounts/prunes.js'
import { PASSWORD, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'
import { bearer, startSecond, until } from '../support/replica.js'

t.setTimeout(180_000)

const NEXT = 'four louder lanterns'
const ROUNDS = 6

t.test('a deletion that races resets, refreshes and log-ins in two replicas leaves no valid token', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  const boss = await signUpAdmin(service, 'boss')
  const tokens: string[] = []
  const refreshTokens: string[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const username = `victim.${round}`
    const victim = await service.signUp(username)
    const phone = await other.logIn(username)
    const { token } = (await boss.post(`/v1/users/${victim.id}/password-reset`)).json()
    tokens.push(victim.token, phone.token)
    const credentials = { username, password: PASSWORD }
    const reset = { token, new_password: NEXT }
    const { refresh_token } = victim.login
    const answers = await Promise.all([
      other.post('/v1/login', credentials),
      other.post('/v1/refresh', { refresh_token }),
      service.post('/v1/password-reset', reset),
      boss.delete(`/v1/users/${victim.id}`),
      other.post('/v1/password-reset', reset),
      service.post('/v1/refresh', { refresh_token: phone.login.refresh_token }),
      service.post('/v1/login', { ...credentials, password: NEXT }),
      prune(service),
      prune(other),
      other.post('/v1/register', credentials),
    ])
    const statuses = answers.map((answer) => (answer === undefined ? undefined : answer.statusCode))
    t.notOk(
      statuses.some((status) => status !== undefined && status >= 500),
      statuses.join(' '),
    )
    t.equal(statuses[3], 204)
    const registered = statuses[9] === 201
    for (const answer of answers) {
      if (answer === undefined || answer.statusCode !== 200) continue
      const { user, access_token, refresh_token } = answer.json()
      // Another request may have registered the name again and logged in; those tokens belong to a new account.
      if (user !== undefined && user.id !== victim.id) continue
      tokens.push(access_token)
      refreshTokens.push(refresh_token)
    }
    refreshTokens.push(victim.login.refresh_token, phone.login.refresh_token)
    for (const { statusCode } of [
      await service.post('/v1/password-reset', reset),
      await other.post('/v1/password-reset', reset),
    ])
      t.equal(statusCode, 400)
    t.equal((await service.post('/v1/login', credentials)).statusCode, registered ? 200 : 401)
    t.equal((await service.post('/v1/login', { ...credentials, password: NEXT })).statusCode, 401)
    if (registered) t.not(answers[9]?.json().user.id, victim.id)
    t.equal((await boss.get(`/v1/users/${victim.id}`)).statusCode, 404)
  }
  for (const replica of [service, other]) {
    for (const token of tokens) {
      await until(async () => (await replica.get('/v1/me', bearer(token))).statusCode === 401)
    }
    for (const refresh_token of refreshTokens) {
      t.equal((await replica.post('/v1/refresh', { refresh_token })).statusCode, 400)
    }
  }
})

t.test('a reset that races a password change leaves one valid password and no earlier session', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  const boss = await signUpAdmin(service, 'boss')
  for (let round = 0; round < ROUNDS; round += 1) {
    const username = `person.${round}`
    const [mina, thief] = [await service.signUp(username), await other.logIn(username)]
    const { token } = (await boss.post(`/v1/users/${mina.id}/password-reset`)).json()
    const changed = 'five silent lanterns'
    const answers = await Promise.all([
      service.post('/v1/password-reset', { token, new_password: NEXT }),
      other.post('/v1/me/password', { current_password: PASSWORD, new_password: changed }, bearer(mina.token)),
      other.post('/v1/refresh', { refresh_token: thief.login.refresh_token }),
      prune(other),
    ])
    const statuses = answers.map((answer) => answer?.statusCode)
    t.notOk(
      statuses.some((status) => status !== undefined && status >= 500),
      statuses.join(' '),
    )
    const refreshed = answers[2]?.statusCode === 200 ? answers[2].json().access_token : thief.token
    await until(async () => (await service.get('/v1/me', bearer(refreshed))).statusCode === 401)
    const logIns = await Promise.all(
      [PASSWORD, NEXT, changed].map((password) => service.post('/v1/login', { username, password })),
    )
    const logInStatuses = logIns.map(({ statusCode }) => statusCode)
    t.equal(logInStatuses[0], 401, 'the old password')
    t.equal(logInStatuses.filter((status) => status === 200).length, 1, logInStatuses.join(' '))
  }
})

t.test('ids of deleted accounts and rows are never reused, and old ETags give no access', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  const [boss, joon] = [await signUpAdmin(service, 'boss'), await service.signUp('joon')]
  const ids = { users: new Set<number>(), todos: new Set<number>(), tutorials: new Set<number>() }
  const isNew = (kind: keyof typeof ids, id: number) => {
    t.notOk(ids[kind].has(id), `${kind} ${id} was never given out before`)
    ids[kind].add(id)
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    const mina = await [service, other][round % 2]?.signUp('mina')
    if (mina === undefined) throw new Error('never')
    isNew('users', mina.id)
    const todo = await mina.post('/v1/todos', { title: 'secret' })
    const tutorial = await mina.post('/v1/tutorials', { name: 'secret', description: '' })
    isNew('todos', todo.json().id)
    isNew('tutorials', tutorial.json().id)
    const tag = { 'if-match': String(todo.headers.etag) }
    t.equal((await joon.patch(`/v1/todos/${todo.json().id}`, { title: 'mine' }, tag)).statusCode, 404)
    if (round % 3 === 0) t.equal((await mina.delete(`/v1/todos/${todo.json().id}`)).statusCode, 204)
    const gone =
      round % 2 === 0
        ? await boss.delete(`/v1/users/${mina.id}`)
        : await mina.post('/v1/me/delete', { current_password: PASSWORD })
    t.equal(gone.statusCode, 204)
    await prune(other)
    const later = await joon.post('/v1/todos', { title: 'of Joon' })
    isNew('todos', later.json().id)
    for (const verb of ['get', 'delete'] as const)
      t.equal((await joon[verb](`/v1/todos/${todo.json().id}`)).statusCode, 404)
    t.equal((await joon.patch(`/v1/todos/${todo.json().id}`, { title: 'mine' }, tag)).statusCode, 404)
    t.equal((await service.get('/v1/me', bearer(mina.token))).statusCode, 401)
  }
})

async function prune({ app }: Service): Promise<undefined> {
  await pruneAll(prunesOf(app), new AbortController().signal)
}
