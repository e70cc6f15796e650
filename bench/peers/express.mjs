import bcrypt from 'bcrypt'
import express from 'express'
import jwt from 'jsonwebtoken'
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

// Express 5, jsonwebtoken and better-sqlite3, combined as in a good tutorial.

const [file] = process.argv.slice(2)
const statements = await openTodos(file)
const { privateKey, publicKey } = makeKeys()
const passwordHash = await bcrypt.hash('three quiet lanterns', HASH_COST)
const sign = (claims) => jwt.sign(claims, privateKey, { algorithm: 'ES256', expiresIn: TOKEN_SECONDS })

const app = express()
app.disable('x-powered-by')
app.set('etag', false)
app.use(express.json())

function guard(request, response, next) {
  try {
    const token = request.headers.authorization?.slice('Bearer '.length)
    request.userId = Number(jwt.verify(token, publicKey, { algorithms: ['ES256'] }).sub)
    next()
  } catch {
    response.status(401).json({ error: 'invalid_token' })
  }
}

app.get('/v1/verify', guard, (request, response) => {
  response.status(204).set('x-subject', String(request.userId)).end()
})
app.get('/v1/me', guard, (request, response) => response.json(toUser(statements.user.get(request.userId))))
app.get('/v1/todos', guard, (request, response) => {
  const limit = Number(request.query.limit ?? 20)
  response.json(toPage(statements.list.all(request.userId, limit + 1), limit))
})
app.get('/v1/todos/:id', guard, (request, response) => {
  const row = statements.get.get(Number(request.params.id), request.userId)
  if (row === undefined) return response.status(404).json({ error: 'not_found' })
  response.set('etag', `"${row.version}"`)
  if (request.headers['if-none-match'] === `"${row.version}"`) return response.status(304).end()
  response.json(toTodo(row))
})
app.post('/v1/todos', guard, (request, response) => {
  const { title, description = null } = request.body
  if (typeof title !== 'string') return response.status(400).json({ error: 'title' })
  const row = statements.insert.get(request.userId, title, description)
  response.status(201).set('location', `/v1/todos/${row.id}`).json(toTodo(row))
})
app.post('/v1/refresh', (request, response) => {
  const session = rotateSession(statements, request.body.refresh_token)
  if (session === undefined) return response.status(400).json({ error: 'invalid_grant' })
  const access_token = sign({ sub: String(session.userId), role: 'user' })
  response.json({ access_token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, refresh_token: session.refreshToken })
})
app.post('/v1/login', async (request, response) => {
  const row = statements.userByName.get(request.body.username)
  const isRight = await bcrypt.compare(request.body.password, passwordHash)
  if (row === undefined || !isRight) return response.status(401).json({ error: 'invalid_credentials' })
  const access_token = sign({ sub: String(row.id), role: row.role })
  const refresh_token = beginSession(statements, row.id)
  response.json({ user: toUser(row), access_token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, refresh_token })
})

const people = await makePeople(statements, sign)
const server = app.listen(0, '127.0.0.1', () => ready(server.address().port, people))
