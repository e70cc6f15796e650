import assert from 'node:assert/strict'
import * as latchkey from '../.generated/orval.js'
import { codeOf } from './authenticator.js'
import { settings } from './orval-request.js'

/** Runs the whole walk with the functions that orval generates. */
export async function walk(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  settings.address = address
  settings.fetch = fetch

  const account = { username: 'sora', password: 'three quiet lanterns' }
  const registered = await latchkey.register(account)
  assert.equal(registered.status, 201)
  const taken = await latchkey.register(account)
  assert.ok(taken.status === 409)
  assert.equal(taken.data.code, 'username_taken')
  // @ts-expect-error: a problem has a title, not a message
  assert.equal(taken.data.message, undefined)
  // @ts-expect-error: a password is needed
  const refused = await latchkey.login({ username: 'sora' })
  assert.ok(refused.status === 400)
  assert.deepEqual(
    refused.data.errors?.map(({ in: part, path, message }) => [part, path, message]),
    [['body', '/password', 'is required']],
  )

  const answer = await latchkey.login(account)
  if (answer.status !== 200) throw new Error(`${answer.data.code}: ${answer.data.title}`)
  const login = answer.data
  settings.token = login.access_token
  const me = await latchkey.getMe()
  assert.ok(me.status === 200)
  assert.deepEqual(me.data, login.user)
  const role: 'user' | 'admin' = me.data.role
  assert.equal(role, 'user')

  await todos()
  await tutorials()

  const sessions = await latchkey.listSessions()
  assert.ok(sessions.status === 200)
  const other = sessions.data.items.find(({ current }) => !current)
  assert.ok(other)
  assert.equal((await latchkey.revokeSession(other.id)).status, 204)

  const refreshed = await latchkey.refreshSession({ refresh_token: login.refresh_token })
  assert.ok(refreshed.status === 200)
  settings.token = refreshed.data.access_token
  assert.equal((await latchkey.logout()).status, 204)
  const out = await latchkey.getMe()
  assert.ok(out.status === 401)
  assert.equal(out.data.code, 'invalid_token')
  const late = await latchkey.refreshSession({ refresh_token: refreshed.data.refresh_token })
  assert.ok(late.status === 400)
  assert.equal(late.data.code, 'invalid_grant')

  const pair = await latchkey.createToken({ grant_type: 'password', ...account })
  assert.ok(pair.status === 200)
  assert.equal(pair.data.token_type, 'Bearer')
  const badGrant = await latchkey.createToken({ grant_type: 'password', ...account, password: 'wrong' })
  assert.ok(badGrant.status === 400)
  assert.equal(badGrant.data.error, 'invalid_grant')

  const nobody = { username: 'nobody-anywhere', password: 'wrong' }
  for (let tries = 0; tries < 10; tries += 1) {
    const wrong = await latchkey.login(nobody)
    assert.ok(wrong.status === 401)
    assert.equal(wrong.data.code, 'invalid_credentials')
  }
  const tooMany = await latchkey.login(nobody)
  assert.ok(tooMany.status === 429)
  assert.equal(tooMany.data.code, 'too_many_attempts')
  assert.ok(Number(tooMany.headers.get('retry-after')) > 0)
}

/** TOTP, from the registration of the factor to a log-in that asks for a code. */
export async function secondFactor(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  Object.assign(settings, { address, fetch, token: '' })
  const account = { username: 'sora-with-totp', password: 'three quiet lanterns' }
  const registered = await latchkey.register(account)
  assert.ok(registered.status === 201)
  settings.token = registered.data.access_token

  const totp = await latchkey.beginTotp({ name: 'phone' })
  assert.ok(totp.status === 201)
  const { uri } = totp.data
  const confirmed = await latchkey.confirmTotp({ code: codeOf(uri) })
  assert.ok(confirmed.status === 200)
  assert.equal(confirmed.data.recovery_codes.length, 10)
  assert.equal((await latchkey.logout()).status, 204)
  settings.token = ''

  const early = await latchkey.login(account)
  assert.ok(early.status === 403)
  const { code, ticket, methods } = early.data
  assert.ok(code === 'mfa_required' && ticket)
  assert.deepEqual(methods, ['totp', 'recovery_code'])
  const wrong = await latchkey.completeLogin({ ticket, totp: codeOf(uri) })
  assert.ok(wrong.status === 403)
  assert.equal(wrong.data.code, 'wrong_code', 'each code is accepted once')
  const login = await latchkey.completeLogin({ ticket, totp: codeOf(uri, 1) })
  assert.ok(login.status === 200)
  settings.token = login.data.access_token
  const me = await latchkey.getMe()
  assert.ok(me.status === 200)
  assert.equal(me.data.username, 'sora-with-totp')
}

/** The user name of the account whose token this fetch sends. */
export async function whoAmI(address: string, fetch: typeof globalThis.fetch): Promise<unknown> {
  Object.assign(settings, { address, fetch, token: '' })
  const me = await latchkey.getMe()
  return me.status === 200 ? me.data.username : undefined
}

async function todos(): Promise<void> {
  const created = await latchkey.createTodo({ title: 'Water the plants', due_at: null })
  assert.ok(created.status === 201)
  const { id } = created.data
  assert.equal(created.headers.get('location'), `/v1/todos/${id}`)
  const ifMatch = { headers: { 'if-match': String(created.headers.get('etag')) } }
  const list = await latchkey.listTodos({ done: false, limit: 5 })
  assert.deepEqual(list.data, { items: [created.data], next_cursor: null })
  const changed = await latchkey.updateTodo(id, { done: true, description: null }, ifMatch)
  assert.ok(changed.status === 200)
  assert.equal(changed.data.done, true)
  const stale = await latchkey.updateTodo(id, { done: false }, ifMatch)
  assert.ok(stale.status === 412)
  assert.equal(stale.data.code, 'precondition_failed')
  assert.equal((await latchkey.deleteTodo(id)).status, 204)
  const gone = await latchkey.getTodo(id)
  assert.ok(gone.status === 404)
  assert.equal(gone.data.code, 'not_found')
  // @ts-expect-error: ids are numbers
  const odd = await latchkey.getTodo('one')
  assert.ok(odd.status === 400)
  assert.equal(odd.data.code, 'validation_failed')
}

async function tutorials(): Promise<void> {
  const created = await latchkey.createTutorial({ name: 'Knots', description: 'Five' })
  assert.ok(created.status === 201)
  const { id } = created.data
  const list = await latchkey.listTutorials({ limit: 1 })
  assert.ok(list.status === 200)
  assert.deepEqual(list.data.items, [created.data])
  const changed = await latchkey.updateTutorial(id, { name: 'Better knots' })
  assert.ok(changed.status === 200)
  assert.equal(changed.data.name, 'Better knots')
  assert.equal((await latchkey.deleteTutorial(id)).status, 204)
}
