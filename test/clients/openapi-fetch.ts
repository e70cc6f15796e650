import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { paths } from '../.generated/openapi-typescript.js'
import { codeOf } from './authenticator.js'

/** Runs the whole walk with openapi-fetch and the types that openapi-typescript generates. */
export async function walk(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  let accessToken = ''
  const client = createClient<paths>({ baseUrl: address, fetch })
  client.use({
    onRequest({ request }) {
      if (accessToken) request.headers.set('authorization', `Bearer ${accessToken}`)
    },
  })

  const account = { username: 'mina', password: 'three quiet lanterns' }
  const registered = await client.POST('/v1/register', { body: account })
  assert.equal(registered.response.status, 201)
  const taken = await client.POST('/v1/register', { body: account })
  assert.equal(taken.response.status, 409)
  assert.equal(taken.error?.code, 'username_taken')
  // @ts-expect-error: a problem has a title, not a message
  assert.equal(taken.error?.message, undefined)
  // @ts-expect-error: a password is needed
  const refused = await client.POST('/v1/login', { body: { username: 'mina' } })
  assert.equal(refused.response.status, 400)
  assert.deepEqual(
    refused.error?.errors?.map(({ in: part, path, message }) => [part, path, message]),
    [['body', '/password', 'is required']],
  )

  const { data: login, error } = await client.POST('/v1/login', { body: account })
  if (error) throw new Error(`${error.code}: ${error.title}`)
  accessToken = login.access_token
  const { data: me } = await client.GET('/v1/me')
  assert.deepEqual(me, login.user)
  const role: 'user' | 'admin' | undefined = me?.role
  assert.equal(role, 'user')

  await todos(client)
  await tutorials(client)

  const sessions = await client.GET('/v1/sessions')
  const other = sessions.data?.items.find(({ current }) => !current)
  assert.ok(other)
  const ended = await client.DELETE('/v1/sessions/{id}', { params: { path: { id: other.id } } })
  assert.equal(ended.response.status, 204)

  const refreshed = await client.POST('/v1/refresh', { body: { refresh_token: login.refresh_token } })
  assert.ok(refreshed.data)
  accessToken = refreshed.data.access_token
  assert.equal((await client.POST('/v1/logout')).response.status, 204)
  const out = await client.GET('/v1/me')
  assert.equal(out.response.status, 401)
  assert.equal(out.error?.code, 'invalid_token')
  const late = await client.POST('/v1/refresh', { body: { refresh_token: refreshed.data.refresh_token } })
  assert.equal(late.error?.code, 'invalid_grant')

  const { data: pair } = await client.POST('/v1/token', {
    body: { grant_type: 'password', ...account },
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  assert.equal(pair?.token_type, 'Bearer')
  const badGrant = await client.POST('/v1/token', {
    body: { grant_type: 'password', ...account, password: 'wrong' },
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  assert.equal(badGrant.error?.error, 'invalid_grant')

  for (let tries = 0; tries < 10; tries += 1) {
    const wrong = await client.POST('/v1/login', { body: { username: 'nobody-here', password: 'wrong' } })
    assert.equal(wrong.response.status, 401)
    assert.equal(wrong.error?.code, 'invalid_credentials')
  }
  const tooMany = await client.POST('/v1/login', { body: { username: 'nobody-here', password: 'wrong' } })
  assert.equal(tooMany.response.status, 429)
  assert.equal(tooMany.error?.code, 'too_many_attempts')
  assert.ok(Number(tooMany.response.headers.get('retry-after')) > 0)
}

/** TOTP, from the registration of the factor to a log-in that asks for a code. */
export async function secondFactor(address: string, fetch: typeof globalThis.fetch): Promise<void> {
  let accessToken = ''
  const client = createClient<paths>({ baseUrl: address, fetch })
  client.use({
    onRequest({ request }) {
      if (accessToken) request.headers.set('authorization', `Bearer ${accessToken}`)
    },
  })
  const account = { username: 'mina-with-totp', password: 'three quiet lanterns' }
  accessToken = (await client.POST('/v1/register', { body: account })).data?.access_token ?? ''

  const { data: totp } = await client.POST('/v1/me/totp', { body: { name: 'phone' } })
  assert.ok(totp)
  const confirmed = await client.POST('/v1/me/totp/confirm', { body: { code: codeOf(totp.uri) } })
  assert.equal(confirmed.data?.recovery_codes.length, 10)
  assert.equal((await client.POST('/v1/logout')).response.status, 204)
  accessToken = ''

  const { data: early, error } = await client.POST('/v1/login', { body: account })
  assert.equal(early, undefined)
  assert.ok(error?.code === 'mfa_required' && error.ticket)
  assert.deepEqual(error.methods, ['totp', 'recovery_code'])
  const { ticket } = error
  const wrong = await client.POST('/v1/login/factor', { body: { ticket, totp: codeOf(totp.uri) } })
  assert.equal(wrong.error?.code, 'wrong_code', 'each code is accepted once')
  const { data: login } = await client.POST('/v1/login/factor', { body: { ticket, totp: codeOf(totp.uri, 1) } })
  assert.ok(login)
  accessToken = login.access_token
  assert.equal((await client.GET('/v1/me')).data?.username, 'mina-with-totp')
}

/** The user name of the account whose token this fetch sends. */
export async function whoAmI(address: string, fetch: typeof globalThis.fetch): Promise<unknown> {
  const client = createClient<paths>({ baseUrl: address, fetch })
  return (await client.GET('/v1/me')).data?.username
}

type Client = ReturnType<typeof createClient<paths>>

async function todos(client: Client): Promise<void> {
  const { data: todo, response } = await client.POST('/v1/todos', {
    body: { title: 'Water the plants', due_at: null },
  })
  assert.ok(todo)
  assert.equal(response.headers.get('location'), `/v1/todos/${todo.id}`)
  const etag = String(response.headers.get('etag'))
  const path = { id: todo.id }
  const list = await client.GET('/v1/todos', { params: { query: { done: false, limit: 5 } } })
  assert.deepEqual(list.data, { items: [todo], next_cursor: null })
  const changed = await client.PATCH('/v1/todos/{id}', {
    params: { path, header: { 'if-match': etag } },
    body: { done: true, description: null },
  })
  assert.equal(changed.data?.done, true)
  const stale = await client.PATCH('/v1/todos/{id}', {
    params: { path, header: { 'if-match': etag } },
    body: { done: false },
  })
  assert.equal(stale.response.status, 412)
  assert.equal(stale.error?.code, 'precondition_failed')
  assert.equal((await client.DELETE('/v1/todos/{id}', { params: { path } })).response.status, 204)
  const gone = await client.GET('/v1/todos/{id}', { params: { path } })
  assert.equal(gone.response.status, 404)
  assert.equal(gone.error?.code, 'not_found')
  // @ts-expect-error: ids are numbers
  const odd = await client.GET('/v1/todos/{id}', { params: { path: { id: 'one' } } })
  assert.equal(odd.error?.code, 'validation_failed')
}

async function tutorials(client: Client): Promise<void> {
  const { data: tutorial } = await client.POST('/v1/tutorials', { body: { name: 'Knots', description: 'Five' } })
  assert.ok(tutorial)
  const path = { id: tutorial.id }
  const list = await client.GET('/v1/tutorials', { params: { query: { limit: 1 } } })
  assert.deepEqual(list.data?.items, [tutorial])
  const changed = await client.PATCH('/v1/tutorials/{id}', { params: { path }, body: { name: 'Better knots' } })
  assert.equal(changed.data?.name, 'Better knots')
  assert.equal((await client.DELETE('/v1/tutorials/{id}', { params: { path } })).response.status, 204)
}
