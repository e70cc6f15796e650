// On SQLite alone: the scope of a token is checked before any query.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { clientAudience } from '../../src/config/public-url.js'
import { type Person, type Service, startService } from '../helper.js'
import { type Claims, openForge, token } from '../support/forge.js'
import { clientToken, registerClient } from '../support/oauth.js'
import { type Operation, operationsOf } from '../support/operations.js'
import { ALIVE, sessionStatus, signUpAdmin } from '../support/people.js'
import { exampleOf, requestTo, rowsOf } from './requests.js'

t.setTimeout(120_000)

const TABLES = ['users', 'factors', 'recovery_codes', 'sessions', 'todos', 'tutorials', 'one_time_tokens', 'events']
const SCOPES = ['todos', 'tutorials', 'users'].flatMap((name) => [`${name}:read`, `${name}:write`])
const ALL = ['openid', 'offline_access', 'profile', 'email', 'roles', ...SCOPES, 'events:read'].join(' ')

/** The scope that each operation requires of the token of another client. Operations not listed reject such tokens. */
const OPEN: Record<string, string> = {
  getMe: 'profile',
  getUserInfo: 'openid',
  postUserInfo: 'openid',
  ...opened('todo'),
  ...opened('tutorial'),
  listUsers: 'users:read',
  getUser: 'users:read',
  createUser: 'users:write',
  updateUser: 'users:write',
  deleteUser: 'users:write',
  revokeUserSessions: 'users:write',
  deleteUserFactors: 'users:write',
  createPasswordReset: 'users:write',
  listEvents: 'events:read',
}

/** Scopes allowed for client credentials tokens, and scopes not allowed for API keys. */
const OF_CLIENTS = ['users:read', 'users:write', 'events:read']
const OF_LOGINS = ['openid', 'offline_access', 'roles', 'users:write']

/** This operation checks the mailed token before the access token. */
const AFTER_THE_MAIL = 'confirmEmail'

t.test('every operation rejects the token of another client without the scope of the operation', async (t) => {
  const { service, boss, tokenWith } = await start(t)
  const before = await deedsOf(service)
  for (const operation of guardedIn(service)) {
    const scope = OPEN[operation.id]
    const others = ALL.split(' ').filter((word) => word !== scope)
    for (const held of [
      undefined,
      '',
      others.join(' '),
      ...(scope === undefined ? [ALL] : [`${scope}x`, ` x${scope} `]),
    ]) {
      const response = await send(service, operation, tokenWith(boss, { scope: held }))
      refused(t, operation, response)
      const named = scope === undefined ? /error="insufficient_scope"$/ : new RegExp(`, scope="${scope}"$`)
      if (!operation.isCompat) t.match(response.headers['www-authenticate'], named, operation.id)
    }
  }
  t.same(await deedsOf(service), before, 'nothing has changed')
  t.equal(await sessionStatus(boss), ALIVE)
})

t.test('a token with the scope of an operation is accepted, and grants no more than its user may do', async (t) => {
  const { service, mina, boss, tokenWith } = await start(t)
  const todo = (await mina.post('/v1/todos', { title: 'private-to-mina' })).json()
  for (const operation of guardedIn(service)) {
    const scope = OPEN[operation.id]
    if (scope === undefined) continue
    const isForAdmins = operation.tags.includes('admin')
    const own = await send(service, operation, tokenWith(isForAdmins ? boss : mina, { scope }))
    t.notOk([401, 403].includes(own.statusCode), `${operation.id}: ${own.statusCode}`)
    if (isForAdmins)
      refused(t, operation, await send(service, operation, tokenWith(mina, { scope: ALL, role: 'user' })))
  }
  const authorization = `Bearer ${tokenWith(boss, { scope: ALL })}`
  t.equal((await service.get(`/v1/todos/${todo.id}`, { authorization })).statusCode, 404)
})

t.test('a client credentials token opens only the operations of its scopes, and no row with an owner', async (t) => {
  const { service, tokenWith, boss, robot } = await start(t)
  const real = await clientToken(service, robot)
  const more = tokenWith(boss, { sub: 'robot', client_id: 'robot', scope: ALL, sid: undefined, role: undefined })
  for (const operation of guardedIn(service)) {
    const isOpen = OF_CLIENTS.includes(OPEN[operation.id] ?? '')
    for (const bearer of [real, more]) {
      const response = await send(service, operation, bearer)
      if (isOpen) t.notOk([401, 403].includes(response.statusCode), `${operation.id}: ${response.statusCode}`)
      else refused(t, operation, response)
    }
    for (const scope of isOpen ? OF_CLIENTS.filter((word) => word !== OPEN[operation.id]) : []) {
      refused(t, operation, await send(service, operation, await clientToken(service, robot, { scope })))
    }
  }
})

t.test('an API key opens only the operations of its scopes', async (t) => {
  const { service, mina, boss } = await start(t)
  const ofKeys = ALL.split(' ').filter((word) => !OF_LOGINS.includes(word))
  const bosses = await keyOf(boss, ofKeys.join(' '))
  const minas = await keyOf(mina, ofKeys.filter((word) => !OF_CLIENTS.includes(word)).join(' '))
  const none = await keyOf(boss, 'invoices:read')
  const before = await deedsOf(service)
  for (const operation of guardedIn(service)) {
    const scope = OPEN[operation.id] ?? ''
    const isForAdmins = operation.tags.includes('admin')
    if (operation.method === 'GET' && ofKeys.includes(scope)) {
      const response = await send(service, operation, isForAdmins ? bosses : minas)
      t.notOk([401, 403].includes(response.statusCode), `${operation.id}: ${response.statusCode}`)
    }
    if (!ofKeys.includes(scope)) refused(t, operation, await send(service, operation, bosses))
    if (isForAdmins || !ofKeys.includes(scope)) refused(t, operation, await send(service, operation, minas))
    refused(t, operation, await send(service, operation, none))
  }
  t.same(await deedsOf(service), before, 'nothing has changed')
})

t.test('a token that mixes the claims of a user and of a client is rejected', async (t) => {
  const { service, tokenWith, boss } = await start(t)
  const id = String(boss.id)
  const odd: Claims[] = [
    { client_id: id },
    { client_id: id, sub: id, scope: ALL },
    { client_id: '', scope: ALL },
    { client_id: 'latchkey', sub: 'latchkey', sid: undefined, role: undefined },
    { client_id: 'latchkey', sub: 'latchkey' },
    { client_id: 'robot', sub: 'robot', scope: ALL },
    { client_id: 'robot', sub: 'robot', scope: ALL, role: undefined },
    { client_id: 'robot', sub: 'other', scope: ALL },
    { client_id: 'robot', sub: `${id}x`, scope: ALL },
    { client_id: 'shop', sid: undefined, scope: ALL },
    { client_id: 'shop', scope: [ALL] },
  ]
  for (const claims of odd) {
    const authorization = `Bearer ${tokenWith(boss, claims)}`
    for (const url of ['/v1/users', '/v1/todos', '/v1/verify']) {
      const { statusCode } = await service.get(url, { authorization })
      t.equal(statusCode, 401, `${JSON.stringify(claims)} at ${url}`)
    }
  }
})

t.test('another client sees the address and roles of its user only with the scopes email and roles', async (t) => {
  const { service, mina, tokenWith } = await start(t)
  await mina.patch('/v1/me', { email: 'mina@example.com', current_password: 'three quiet lanterns' })
  await service.app.administration.change(mina.id, { roles: 'editor' }, { id: null })
  const seenWith = async (scope: string) => {
    const again = await service.logIn('mina')
    return (await service.get('/v1/me', { authorization: `Bearer ${tokenWith(again, { scope })}` })).json()
  }
  t.match(await seenWith('profile'), { username: 'mina', email: null, roles: [] })
  t.match(await seenWith('profile email'), { email: 'mina@example.com', roles: [] })
  t.match(await seenWith('profile roles'), { email: null, roles: ['editor'] })
})

t.test('a log-out with the token of another client returns 403 and ends no session', async (t) => {
  const { service, mina, tokenWith } = await start(t)
  for (const scope of ['', ALL]) {
    const authorization = `Bearer ${tokenWith(mina, { scope })}`
    t.equal((await service.post('/v1/logout', {}, { authorization })).statusCode, 403)
  }
  t.equal(await sessionStatus(mina), ALIVE)
})

/** All rows, except the `access.refused` events that the test itself causes. */
async function deedsOf(service: Service) {
  const { events = [], ...rows } = await rowsOf(service, TABLES)
  return { ...rows, events: events.filter(({ type }) => type !== 'access.refused') }
}

async function keyOf(person: Person, scope: string): Promise<string> {
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const made = await person.post('/v1/me/api-keys', { name: 'script', scope, expires_at })
  if (made.statusCode !== 201) throw new Error(`key: ${made.statusCode} ${made.payload}`)
  return made.json().key
}

function opened(name: string): Record<string, string> {
  const [one, many] = [`${name[0]?.toUpperCase()}${name.slice(1)}`, `${name}s`]
  const write = Object.fromEntries(['create', 'update', 'delete'].map((verb) => [`${verb}${one}`, `${many}:write`]))
  return { ...write, [`list${one}s`]: `${many}:read`, [`get${one}`]: `${many}:read` }
}

function guardedIn(service: Service): Operation[] {
  return operationsOf(service).filter(({ id, isGuarded }) => isGuarded && id !== AFTER_THE_MAIL)
}

function refused(t: Test, operation: Operation, { statusCode, payload }: Response): void {
  if (operation.isCompat) t.ok([401, 403, 422].includes(statusCode), `${operation.id}: ${statusCode}`)
  else t.match([statusCode, JSON.parse(payload)], [403, { code: 'insufficient_scope' }], operation.id)
}

async function send(service: Service, operation: Operation, bearer: string): Promise<Response> {
  // Lets the service poll for revocations: many rejections without a free event loop would make its revocations stale.
  await nextTurn()
  const [schema] = operation.bodies
  return service.app.inject(requestTo(operation, { token: bearer, body: schema && exampleOf(schema), id: '999999' }))
}

async function start(t: Test) {
  const service = await startService(t)
  const [mina, boss] = [await service.signUp('mina'), await signUpAdmin(service, 'boss')]
  await registerClient(service, 'shop', { scope: ALL, redirect_uris: ['https://shop.example/'] })
  const robot = await registerClient(service, 'robot', { scope: OF_CLIENTS.join(' ') })
  const forge = await openForge(service, boss)
  const audience = clientAudience(service.app.config.PUBLIC_URL)
  /** An access token of this user as another client would receive it, signed with the service's own key. */
  const tokenWith = ({ token: own }: Person, claims: Claims): string =>
    token(
      { ...forge, claims: JSON.parse(Buffer.from(own.split('.')[1] ?? '', 'base64url').toString()) },
      {
        client_id: 'shop',
        aud: audience,
        ...claims,
      },
    )
  return { service, mina, boss, robot, tokenWith }
}
