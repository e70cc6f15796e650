// On SQLite alone: no database.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { breakingChanges, type Document } from '../../scripts/openapi-diff.js'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'

const OPENAPI = join(packageRoot, 'openapi.json')
const text = await readFile(OPENAPI, 'utf8')

// A document as a tree, so that a test can change any part of it.
interface Tree {
  [name: string]: Tree
}
type Change = (document: Tree) => void
const todos = (document: Tree) => document.paths?.['/v1/todos'] as Tree
const shape = (document: Tree, name: string) => document.components?.schemas?.[name] as Tree
const set = (tree: Tree | undefined, values: object) => Object.assign(tree ?? {}, values)
const list = (tree: Tree | undefined) => tree as unknown as unknown[]
const remove = (tree: Tree | undefined, name: string) => delete tree?.[name]

t.test('every breaking change is named, with its operation', async (t) => {
  const cases: [string, Change][] = [
    ['GET /v1/verify: the operation is gone', (d) => remove(d.paths, '/v1/verify')],
    ['POST /v1/todos: the operation is gone', (d) => remove(todos(d), 'post')],
    ['POST /v1/todos: operationId createTodo is now addTodo', (d) => set(todos(d).post, { operationId: 'addTodo' })],
    ['POST /v1/login: needs a token now', (d) => remove(d.paths?.['/v1/login']?.post, 'security')],
    ['POST /v1/todos: the answer 413 is gone', (d) => remove(todos(d).post?.responses, '413')],
    [
      'POST /v1/todos: the header ETag of 201 is gone',
      (d) => remove(todos(d).post?.responses?.['201']?.headers, 'ETag'),
    ],
    [
      'POST /v1/todos: 201 is no longer answered as application/json',
      (d) => set(todos(d).post?.responses?.['201'], { content: { 'text/plain': { schema: {} } } }),
    ],
    ['GET /v1/todos: the parameter done is gone', (d) => list(todos(d).get?.parameters).shift()],
    [
      'GET /v1/todos: the parameter done is required now',
      (d) => set(todos(d).get?.parameters?.[0], { required: true }),
    ],
    [
      'GET /v1/todos: the parameter page is required now',
      (d) => list(todos(d).get?.parameters).push({ name: 'page', in: 'query', required: true, schema: {} }),
    ],
    [
      'GET /v1/events: type cannot be user.created any more',
      (d) => set(d.paths?.['/v1/events']?.get?.parameters?.[0]?.schema, { enum: ['login.failed'] }),
    ],
    [
      'POST /v1/logout: the body is required now',
      (d) => set(d.paths?.['/v1/logout']?.post?.requestBody, { required: true }),
    ],
    [
      'POST /v1/todos: the body is no longer taken as application/json',
      (d) => set(todos(d).post?.requestBody, { content: {} }),
    ],
    ['POST /v1/todos: body.done is required now', (d) => set(shape(d, 'TodoCreate'), { required: ['title', 'done'] })],
    ['POST /v1/todos: body.done is refused now', (d) => remove(shape(d, 'TodoCreate').properties, 'done')],
    [
      'POST /v1/todos: body.title has a smaller maxLength',
      (d) => set(shape(d, 'TodoCreate').properties?.title, { maxLength: 9 }),
    ],
    [
      'POST /v1/todos: body.title has a larger minLength',
      (d) => set(shape(d, 'TodoCreate').properties?.title, { minLength: 2 }),
    ],
    [
      'POST /v1/todos: body.due_at cannot be null any more',
      (d) => set(shape(d, 'TodoCreate').properties?.due_at, { type: 'string' }),
    ],
    [
      'POST /v1/todos: body.title must be uuid now',
      (d) => set(shape(d, 'TodoCreate').properties?.title, { format: 'uuid' }),
    ],
    [
      'PATCH /v1/users/{id}: body.role cannot be admin any more',
      (d) => set(shape(d, 'AccountUpdate').properties?.role, { enum: ['user'] }),
    ],
    ['GET /v1/me: 200.name is gone', (d) => remove(shape(d, 'User').properties, 'name')],
    ['GET /v1/me: 200.name may be missing now', (d) => set(shape(d, 'User'), { required: ['id'] })],
    ['GET /v1/me: 200.id may be string now', (d) => set(shape(d, 'User').properties?.id, { type: 'string' })],
    [
      'GET /v1/me: 200.created_at is no longer date-time',
      (d) => remove(shape(d, 'User').properties?.created_at, 'format'),
    ],
    ['GET /v1/me: 200.role is never admin any more', (d) => set(shape(d, 'User').properties?.role, { enum: ['user'] })],
    [
      'GET /v1/me: 200.role may be root now, and clients know only what they were told',
      (d) => set(shape(d, 'User').properties?.role, { enum: ['user', 'admin', 'root'] }),
    ],
    [
      'GET /v1/todos/{id}: 404.code is never not_found any more',
      (d) => set(shape(d, 'Problem').properties?.code, { 'x-extensible-enum': ['gone'] }),
    ],
    ['GET /v1/todos: 200.items[].title is gone', (d) => remove(shape(d, 'Todo').properties, 'title')],
    ['GET /v1/me: 200 refers to a shape that is not there', (d) => remove(d.components?.schemas, 'User')],
  ]
  for (const [expected, change] of cases) {
    const changes = breakingChanges(JSON.parse(text), changed(change))
    t.ok(changes.includes(expected), expected, { changes })
  }
})

t.test('a change that only adds something is not breaking', async (t) => {
  const cases: Record<string, Change> = {
    'nothing at all': () => {},
    'an operation': (d) => set(d.paths, { '/v1/notes': todos(d) }),
    'a field of an answer': (d) => set(shape(d, 'Todo').properties, { color: { type: 'string' } }),
    'an optional field of a request': (d) => set(shape(d, 'TodoCreate').properties, { color: { type: 'string' } }),
    'an optional parameter': (d) => list(todos(d).get?.parameters).push({ name: 'color', in: 'query', schema: {} }),
    'a wider limit': (d) => set(shape(d, 'TodoCreate').properties?.title, { maxLength: 500, minLength: 0 }),
    'one more word in a request': (d) =>
      set(shape(d, 'AccountUpdate').properties?.role, { enum: ['user', 'admin', 'x'] }),
    'one more code': (d) => list(shape(d, 'Problem').properties?.code?.['x-extensible-enum']).push('tea_only'),
    'a longer description': (d) => set(shape(d, 'Todo'), { description: 'A thing to do, or not.' }),
  }
  for (const [name, change] of Object.entries(cases)) {
    t.same(breakingChanges(JSON.parse(text), changed(change)), [], name)
  }
})

t.test('the command fails on a breaking change and names it', async (t) => {
  const base = join(await temporaryFolder(t), 'base.json')
  await writeFile(base, text)
  t.match(await run(base), { status: 0, output: 'Nothing breaks.\n' })
  await writeFile(base, JSON.stringify(changed((d) => set(d.paths, { '/v1/notes': todos(d) }))))
  t.match(await run(base), {
    status: 1,
    output: /^GET \/v1\/notes: the operation is gone\n(.*\n)+2 changes break clients/,
  })
  t.match(await run(), { status: 64, output: /^Usage: npm run openapi:diff/ })
})

function changed(change: Change): Document {
  const document = JSON.parse(text)
  change(document)
  return document
}

function run(...args: string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const command = [join(packageRoot, 'dist-test', 'scripts', 'openapi-diff.js'), ...args]
    const child = execFile(process.execPath, command, { cwd: packageRoot, timeout: 60_000 }, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode, output: stdout + stderr }),
    )
  })
}
