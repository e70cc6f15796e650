import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { etag, isFresh } from '../../src/api/etags.js'
import { missingOrChanged, ownedRow } from '../../src/api/owned-rows.js'
import { DEFAULT_LIMIT, nextCursor, pageCount, pageQuery, pagesOf } from '../../src/api/paging.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { withRoomFor } from '../../src/api/row-gate.js'
import {
  createdAt,
  etagHeader,
  IdParams,
  ifMatch,
  ifNoneMatch,
  noContent,
  nullable,
  pageOf,
  ref,
  rowAnswer,
  rowId,
  updatedAt,
} from '../../src/api/schemas.js'
import { milliseconds, timestamp, timestampOrNull } from '../../src/api/times.js'
import { publicPath } from '../../src/config/public-url.js'
import { type Database, sole, type Tables } from '../../src/database/database.js'
import { Problem } from '../../src/problems.js'
import { DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH } from '../../src/text-lengths.js'

const title = Type.String({ minLength: 1, maxLength: NAME_MAX_LENGTH, description: 'The task.' })
const description = nullable({ maxLength: DESCRIPTION_MAX_LENGTH, description: 'Details of the task.' })
const done = Type.Boolean({ description: 'Whether the task is done.' })
const due_at = nullable({ format: 'date-time', description: 'The due time.' })
const EXAMPLE = {
  title: 'Water the plants',
  description: 'The fern too',
  done: false,
  due_at: '2026-12-01T08:00:00.000Z',
}

const Todo = Type.Object(
  {
    id: rowId,
    title,
    description,
    done,
    due_at,
    created_at: createdAt,
    updated_at: updatedAt,
  },
  {
    $id: 'Todo',
    description: 'A todo.',
    examples: [{ id: 1, ...EXAMPLE, created_at: '2026-11-20T09:00:00.000Z', updated_at: '2026-11-20T09:00:00.000Z' }],
  },
)

const TodoCreate = Type.Object(
  { title, description: Type.Optional(description), done: Type.Optional(done), due_at: Type.Optional(due_at) },
  { $id: 'TodoCreate', additionalProperties: false, description: 'A new todo.', examples: [EXAMPLE] },
)

const TodoUpdate = Type.Partial(TodoCreate, {
  $id: 'TodoUpdate',
  additionalProperties: false,
  minProperties: 1,
  description: 'The fields to change. Omitted fields keep their values.',
  examples: [{ done: true }],
})

const TodoPage = Type.Object(
  { items: pageOf(Todo), next_cursor: nextCursor },
  {
    $id: 'TodoPage',
    description: 'A page of todos, newest first.',
    examples: [{ items: Todo.examples, next_cursor: null }],
  },
)

const one = rowAnswer(Todo)

const pages = pagesOf('todos')

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { db, tables, now } = app.database
  const path = publicPath(app.config)
  const { todos } = tables
  const statements = prepareStatements(app.database)
  const quota = app.rowQuotas.todos
  for (const schema of [Todo, TodoCreate, TodoUpdate, TodoPage]) app.addSchema(schema)

  app.get('/v1/todos', {
    config: { scope: 'todos:read' },
    schema: {
      operationId: 'listTodos',
      tags: ['todos'],
      summary: 'List your todos',
      description: 'Returns a page of your todos, newest first.',
      querystring: Type.Object(
        {
          done: Type.Optional(
            Type.Boolean({ description: 'True to list only todos that are done, false to list only open todos.' }),
          ),
          ...pageQuery,
        },
        { additionalProperties: false },
      ),
      response: { 200: ref(TodoPage), ...problems(400, 401) },
    },
    handler: async (request) => {
      const { user, query } = request
      const { done: isDone, limit = DEFAULT_LIMIT, cursor } = query
      const page = { userId: user.userId, before: pages.before(cursor), count: limit + 1 }
      const rows = await withRoomFor(request, page, () =>
        isDone === undefined ? statements.list.execute(page) : statements.listByDone.execute({ ...page, done: isDone }),
      )
      return pages.page(rows, limit, toTodo)
    },
  })

  app.post('/v1/todos', {
    config: { scope: 'todos:write' },
    schema: {
      operationId: 'createTodo',
      tags: ['todos'],
      summary: 'Add a todo',
      description: 'Creates a todo. Only you can see it.',
      body: ref(TodoCreate),
      response: {
        201: { ...one, headers: { ...etagHeader, Location: Type.String({ description: 'The URL of the new row.' }) } },
        ...problems(400, 401, 413, 415),
        409: problemAnswer(409, 'too_many_rows'),
      },
    },
    handler: async ({ user, body }, reply) => {
      const { userId } = user
      const values = {
        userId,
        title: body.title,
        description: body.description ?? null,
        done: body.done ?? false,
        dueAt: dueTime(body.due_at) ?? null,
      }
      const row = sole(await quota.spend(userId, () => statements.insert.execute(values)))
      return reply
        .code(201)
        .header('location', `${path}/v1/todos/${row.id}`)
        .header('etag', etag(row.version))
        .send(toTodo(row))
    },
  })

  app.get('/v1/todos/:id', {
    config: { scope: 'todos:read' },
    schema: {
      operationId: 'getTodo',
      tags: ['todos'],
      summary: 'Get a todo',
      description:
        'Returns one of your todos with its ETag. For a todo of another user, the response is 404, as if the todo ' +
        'did not exist.',
      params: IdParams,
      headers: ifNoneMatch,
      response: {
        200: one,
        304: noContent('The row still has the ETag in If-None-Match.', etagHeader),
        ...problems(400, 401, 404),
      },
    },
    handler: async ({ user, params, headers }, reply) => {
      const [row] = await statements.get.execute({ userId: user.userId, id: params.id })
      if (row === undefined) throw new Problem('not_found')
      const tag = etag(row.version)
      reply.header('etag', tag)
      return isFresh(headers['if-none-match'], tag) ? reply.code(304).send() : toTodo(row)
    },
  })

  app.patch('/v1/todos/:id', {
    config: { scope: 'todos:write' },
    schema: {
      operationId: 'updateTodo',
      tags: ['todos'],
      summary: 'Change a todo',
      description:
        'Changes the given fields. With If-Match, the change is made only if the row still has that ETag; ' +
        'otherwise the response is 412.',
      params: IdParams,
      headers: ifMatch,
      body: ref(TodoUpdate),
      response: { 200: one, ...problems(400, 401, 404, 412, 413, 415) },
    },
    handler: async ({ user, params, headers, body }, reply) => {
      const { due_at: dueAt, ...fields } = body
      const [row] = await db
        .update(todos)
        .set({
          ...fields,
          ...(dueAt !== undefined && { dueAt: dueTime(dueAt) }),
          version: sql`${todos.version} + 1`,
          updatedAt: now,
        })
        .where(ownedRow(todos, user.userId, params.id, headers['if-match']))
        .returning()
      if (row === undefined) throw await refusal(user.userId, params.id, headers['if-match'])
      reply.header('etag', etag(row.version))
      return toTodo(row)
    },
  })

  app.delete('/v1/todos/:id', {
    config: { scope: 'todos:write' },
    schema: {
      operationId: 'deleteTodo',
      tags: ['todos'],
      summary: 'Delete a todo',
      description:
        'Deletes the row. With If-Match, the row is deleted only if it still has that ETag; otherwise the response ' +
        'is 412.',
      params: IdParams,
      headers: ifMatch,
      response: { 204: noContent('Deleted.'), ...problems(400, 401, 404, 412, 413, 415) },
    },
    handler: async ({ user, params, headers }, reply) => {
      const [row] = await db
        .delete(todos)
        .where(ownedRow(todos, user.userId, params.id, headers['if-match']))
        .returning({ id: todos.id })
      if (row === undefined) throw await refusal(user.userId, params.id, headers['if-match'])
      await quota.giveBack(user.userId)
      return reply.code(204).send()
    },
  })

  async function refusal(userId: number, id: number, ifMatch: string | undefined): Promise<Problem> {
    return missingOrChanged(await statements.get.execute({ userId, id }), ifMatch)
  }
}

export default routes

type Row = Tables['todos']['$inferSelect']

function toTodo(row: Omit<Row, 'userId' | 'version'>): Static<typeof Todo> {
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    done: row.done,
    due_at: timestampOrNull(row.dueAt),
    created_at: timestamp(row.createdAt),
    updated_at: timestamp(row.updatedAt),
  }
}

function dueTime(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? milliseconds(text, { in: 'body', path: '/due_at' }) : text
}

function prepareStatements({ db, tables: { todos }, now }: Database) {
  const isMine = eq(todos.userId, sql.placeholder('userId'))
  const isBefore = lt(todos.id, sql.placeholder('before'))
  // Selects only the columns that the list shows: the others would be read for every row.
  const { id, title, description, done, dueAt, createdAt, updatedAt } = todos
  const shown = { id, title, description, done, dueAt, createdAt, updatedAt }
  const page = () => db.select(shown).from(todos).orderBy(desc(todos.id)).limit(pageCount).$dynamic()
  return {
    list: page().where(and(isMine, isBefore)).prepare('list_todos'),
    listByDone: page()
      .where(and(isMine, isBefore, eq(todos.done, sql.param(sql.placeholder('done'), todos.done))))
      .prepare('list_todos_by_done'),
    get: db
      .select()
      .from(todos)
      .where(and(eq(todos.id, sql.placeholder('id')), isMine))
      .prepare('get_todo'),
    insert: db
      .insert(todos)
      .values({
        userId: sql.placeholder('userId'),
        title: sql.placeholder('title'),
        description: sql.placeholder('description'),
        done: sql.placeholder('done'),
        dueAt: sql.placeholder('dueAt'),
        createdAt: now,
        updatedAt: now,
      })
      .returning()
      .prepare('insert_todo'),
  }
}
