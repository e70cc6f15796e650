import assert from 'node:assert/strict'
import { client } from '../.generated/hey-api/client.gen.js'
import * as latchkey from '../.generated/hey-api/index.js'
import { codeOf } from './authenticator.js'

/** Runs the whole walk with the client that Hey API generates. */
export async function walk(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  let accessToken = ''
  client.setConfig({ baseUrl: address, auth: () => accessToken, fetch })

  const account = { username: 'juno', password: 'three quiet lanterns' }
  const registered = await latchkey.register({ body: account })
  assert.equal(registered.response?.status, 201)
  const taken = await latchkey.register({ body: account })
  assert.equal(taken.response?.status, 409)
  assert.equal(taken.error?.code, 'username_taken')
  // @ts-expect-error: a problem has a title, not a message
  assert.equal(taken.error?.message, undefined)
  // @ts-expect-error: a password is needed
  const refused = await latchkey.login({ body: { username: 'juno' } })
  assert.equal(refused.response?.status, 400)
  assert.deepEqual(
    refused.error?.errors?.map(({ in: part, path, message }) => [part, path, message]),
    [['body', '/password', 'is required']],
  )

  const { data: login, error } = await latchkey.login({ body: account })
  if (error) throw new Error(`${error.code}: ${error.title}`)
  accessToken = login.access_token
  const { data: me } = await latchkey.getMe()
  assert.deepEqual(me, login.user)
  const role: 'user' | 'admin' | undefined = me?.role
  assert.equal(role, 'user')

  await todos()
  await tutorials()

  const sessions = await latchkey.listSessions()
  const other = sessions.data?.items.find(({ current }) => !current)
  assert.ok(other)
  const ended = await latchkey.revokeSession({ path: { id: other.id } })
  assert.equal(ended.response?.status, 204)

  const refreshed = await latchkey.refreshSession({ body: { refresh_token: login.refresh_token } })
  assert.ok(refreshed.data)
  accessToken = refreshed.data.access_token
  assert.equal((await latchkey.logout()).response?.status, 204)
  const out = await latchkey.getMe()
  assert.equal(out.response?.status, 401)
  assert.equal(out.error?.code, 'invalid_token')
  const late = await latchkey.refreshSession({ body: { refresh_token: refreshed.data.refresh_token } })
  assert.equal(late.error?.code, 'invalid_grant')

  const { data: pair } = await latchkey.createToken({ body: { grant_type: 'password', ...account } })
  assert.equal(pair?.token_type, 'Bearer')
  const badGrant = await latchkey.createToken({ body: { grant_type: 'password', ...account, password: 'wrong' } })
  assert.equal(badGrant.error?.error, 'invalid_grant')

  const body = { username: 'nobody-there', password: 'wrong' }
  for (let tries = 0; tries < 10; tries += 1) {
    const wrong = await latchkey.login({ body })
    assert.equal(wrong.response?.status, 401)
    assert.equal(wrong.error?.code, 'invalid_credentials')
  }
  const tooMany = await latchkey.login({ body })
  assert.equal(tooMany.response?.status, 429)
  assert.equal(tooMany.error?.code, 'too_many_attempts')
  assert.ok(Number(tooMany.response?.headers.get('retry-after')) > 0)
}

/** TOTP, from the registration of the factor to a log-in that asks for a code. */
export async function secondFactor(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  let accessToken = ''
  client.setConfig({ baseUrl: address, auth: () => accessToken, fetch })
  const account = { username: 'juno-with-totp', password: 'three quiet lanterns' }
  await latchkey.register({ body: account })
  accessToken = (await latchkey.login({ body: account })).data?.access_token ?? ''

  const { data: totp } = await latchkey.beginTotp({ body: { name: 'phone' } })
  assert.ok(totp)
  const confirmed = await latchkey.confirmTotp({ body: { code: codeOf(totp.uri) } })
  assert.equal(confirmed.data?.recovery_codes.length, 10)
  assert.equal((await latchkey.logout()).response?.status, 204)
  accessToken = ''

  const { data: early, error } = await latchkey.login({ body: account })
  assert.equal(early, undefined)
  assert.ok(error?.code === 'mfa_required' && error.ticket)
  assert.deepEqual(error.methods, ['totp', 'recovery_code'])
  const { ticket } = error
  const wrong = await latchkey.completeLogin({ body: { ticket, totp: codeOf(totp.uri) } })
  assert.equal(wrong.error?.code, 'wrong_code', 'each code is accepted once')
  const { data: login } = await latchkey.completeLogin({ body: { ticket, totp: codeOf(totp.uri, 1) } })
  assert.ok(login)
  accessToken = login.access_token
  assert.equal((await latchkey.getMe()).data?.username, 'juno-with-totp')
}

/** The user name of the account whose token this fetch sends. */
export async function whoAmI(address: string, fetch: typeof globalThis.fetch): Promise<unknown> {
  client.setConfig({ baseUrl: address, fetch, auth: () => undefined })
  return (await latchkey.getMe()).data?.username
}

async function todos(): Promise<void> {
  const { data: todo, response } = await latchkey.createTodo({ body: { title: 'Water the plants', due_at: null } })
  assert.ok(todo)
  assert.equal(response?.headers.get('location'), `/v1/todos/${todo.id}`)
  const headers = { 'if-match': String(response?.headers.get('etag')) }
  const path = { id: todo.id }
  const list = await latchkey.listTodos({ query: { done: false, limit: 5 } })
  assert.deepEqual(list.data, { items: [todo], next_cursor: null })
  const changed = await latchkey.updateTodo({ path, headers, body: { done: true, description: null } })
  assert.equal(changed.data?.done, true)
  const stale = await latchkey.updateTodo({ path, headers, body: { done: false } })
  assert.equal(stale.response?.status, 412)
  assert.equal(stale.error?.code, 'precondition_failed')
  assert.equal((await latchkey.deleteTodo({ path })).response?.status, 204)
  const gone = await latchkey.getTodo({ path })
  assert.equal(gone.response?.status, 404)
  assert.equal(gone.error?.code, 'not_found')
  // @ts-expect-error: ids are numbers
  const odd = await latchkey.getTodo({ path: { id: 'one' } })
  assert.equal(odd.error?.code, 'validation_failed')
}

async function tutorials(): Promise<void> {
  const { data: tutorial } = await latchkey.createTutorial({ body: { name: 'Knots', description: 'Five' } })
  assert.ok(tutorial)
  const path = { id: tutorial.id }
  const list = await latchkey.listTutorials({ query: { limit: 1 } })
  assert.deepEqual(list.data?.items, [tutorial])
  const changed = await latchkey.updateTutorial({ path, body: { name: 'Better knots' } })
  assert.equal(changed.data?.name, 'Better knots')
  assert.equal((await latchkey.deleteTutorial({ path })).response?.status, 204)
}
