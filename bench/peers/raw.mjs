import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { makePeople, openTodos, ready, toPage, toTodo, toUser } from './shared.mjs'

// Fastify with better-sqlite3 in the handler, objects from the driver, response schemas, and Latchkey's headers. No
// log-in: a token is looked up in a map.

const [file, answersFile] = process.argv.slice(2)
const answers = Object.fromEntries(JSON.parse(readFileSync(answersFile, 'utf8')).map((answer) => [answer.name, answer]))
const statements = await openTodos(file)
const users = new Map()
const app = Fastify()

const text = { type: 'string' }
const maybe = { type: ['string', 'null'] }
const time = { type: 'string', format: 'date-time' }
const whole = { type: 'integer' }
const Todo = {
  type: 'object',
  properties: {
    id: whole,
    title: text,
    description: maybe,
    done: { type: 'boolean' },
    due_at: { type: ['string', 'null'], format: 'date-time' },
    created_at: time,
    updated_at: time,
  },
}
const User = {
  type: 'object',
  properties: { id: whole, username: maybe, email: maybe, name: maybe, role: text, created_at: time, updated_at: time },
}
const Page = { type: 'object', properties: { items: { type: 'array', items: Todo }, next_cursor: maybe } }
const userOf = (request) => users.get(request.headers.authorization)
const respond = (reply, name) => reply.code(answers[name].status).headers(answers[name].headers)

app.get('/v1/verify', (request, reply) => {
  respond(reply, 'verify').header('x-latchkey-subject', userOf(request)).send()
})
app.get('/v1/me', { schema: { response: { 200: User } } }, (request, reply) => {
  respond(reply, 'me').send(toUser(statements.user.get(userOf(request))))
})
app.get('/v1/todos', { schema: { response: { 200: Page } } }, (request, reply) => {
  const limit = Number(request.query.limit ?? 20)
  respond(reply, 'list').send(toPage(statements.list.all(userOf(request), limit + 1), limit))
})
app.get('/v1/todos/:id', (request, reply) => {
  const row = statements.get.get(Number(request.params.id), userOf(request))
  if (request.headers['if-none-match'] !== `"${row.version}"`) return reply.send(toTodo(row))
  respond(reply, 'notModified').send()
})
const body = { type: 'object', required: ['title'], properties: { title: text, description: text } }
app.post('/v1/todos', { schema: { body, response: { 201: Todo } } }, (request, reply) => {
  const row = statements.insert.get(userOf(request), request.body.title, request.body.description ?? null)
  respond(reply, 'create').header('location', `/v1/todos/${row.id}`).send(toTodo(row))
})

const people = await makePeople(statements, () => randomBytes(150).toString('base64url'))
for (const { id, authorization } of people) users.set(authorization, id)
await app.listen({ host: '127.0.0.1', port: 0 })
ready(app.server.address().port, people)
