import { serve } from '@hono/node-server'
import bcrypt from 'bcrypt'
import { Hono } from 'hono'
import { jwtVerify, SignJWT } from 'jose'
import {
  beginSession,
  HASH_COST,
  makeKeys,
  makePeople,
  openTodos,
  ready,
  rotateSession,
  TOKEN_SECONDS,
  toPage,
  toTodo,
  toUser,
} from './shared.mjs'

// Hono on Node, jose and better-sqlite3, combined as in a good tutorial.

const [file] = process.argv.slice(2)
const statements = await openTodos(file)
const { privateKey, publicKey } = makeKeys()
const passwordHash = await bcrypt.hash('three quiet lanterns', HASH_COST)
const sign = (claims) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).setIssuedAt().setExpirationTime('1h').sign(privateKey)

const app = new Hono()

async function guard(context, next) {
  try {
    const token = context.req.header('authorization')?.slice('Bearer '.length)
    const { payload } = await jwtVerify(token, publicKey, { algorithms: ['ES256'] })
    context.set('userId', Number(payload.sub))
  } catch {
    return context.json({ error: 'invalid_token' }, 401)
  }
  await next()
}

app.get('/v1/verify', guard, (context) => context.body(null, 204, { 'x-subject': String(context.get('userId')) }))
app.get('/v1/me', guard, (context) => context.json(toUser(statements.user.get(context.get('userId')))))
app.get('/v1/todos', guard, (context) => {
  const limit = Number(context.req.query('limit') ?? 20)
  return context.json(toPage(statements.list.all(context.get('userId'), limit + 1), limit))
})
app.get('/v1/todos/:id', guard, (context) => {
  const row = statements.get.get(Number(context.req.param('id')), context.get('userId'))
  if (row === undefined) return context.json({ error: 'not_found' }, 404)
  const headers = { etag: `"${row.version}"` }
  if (context.req.header('if-none-match') === headers.etag) return context.body(null, 304, headers)
  return context.json(toTodo(row), 200, headers)
})
app.post('/v1/todos', guard, async (context) => {
  const { title, description = null } = await context.req.json()
  if (typeof title !== 'string') return context.json({ error: 'title' }, 400)
  const row = statements.insert.get(context.get('userId'), title, description)
  return context.json(toTodo(row), 201, { location: `/v1/todos/${row.id}` })
})
app.post('/v1/refresh', async (context) => {
  const session = rotateSession(statements, (await context.req.json()).refresh_token)
  if (session === undefined) return context.json({ error: 'invalid_grant' }, 400)
  const access_token = await sign({ sub: String(session.userId), role: 'user' })
  const { refreshToken: refresh_token } = session
  return context.json({ access_token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, refresh_token })
})
app.post('/v1/login', async (context) => {
  const { username, password } = await context.req.json()
  const row = statements.userByName.get(username)
  const isRight = await bcrypt.compare(password, passwordHash)
  if (row === undefined || !isRight) return context.json({ error: 'invalid_credentials' }, 401)
  const access_token = await sign({ sub: String(row.id), role: row.role })
  const refresh_token = beginSession(statements, row.id)
  return context.json({
    user: toUser(row),
    access_token,
    token_type: 'Bearer',
    expires_in: TOKEN_SECONDS,
    refresh_token,
  })
})

const people = await makePeople(statements, sign)
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => ready(port, people))
