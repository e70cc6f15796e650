import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import { etag, isFresh } from '../../src/api/etags.js'
import { missingOrChanged, ownedRow } from '../../src/api/owned-rows.js'
import { DEFAULT_LIMIT, nextCursor, pageQuery, pagesOf } from '../../src/api/paging.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { withRoomFor } from '../../src/api/row-gate.js'
import {
  etagHeader,
  IdParams,
  idOf,
  ifMatch,
  ifNoneMatch,
  noContent,
  pageOf,
  ref,
  rowAnswer,
  rowId,
} from '../../src/api/schemas.js'
import { prepareTutorials, toTutorial } from '../../src/api/tutorials.js'
import { publicPath } from '../../src/config/public-url.js'
import { sole } from '../../src/database/database.js'
import { Problem } from '../../src/problems.js'
import { DESCRIPTION_MAX_LENGTH, NAME_MAX_LENGTH } from '../../src/text-lengths.js'

const name = Type.String({ minLength: 1, maxLength: NAME_MAX_LENGTH, description: 'The name of the tutorial.' })
const description = Type.String({ maxLength: DESCRIPTION_MAX_LENGTH, description: 'The description of the tutorial.' })
const EXAMPLE = { name: 'Knots', description: 'Five knots that hold' }

const Tutorial = Type.Object(
  { id: rowId, user_id: idOf('The id of the owner, which is your own id.'), name, description },
  { $id: 'Tutorial', description: 'A tutorial.', examples: [{ id: 1, user_id: 1, ...EXAMPLE }] },
)

const TutorialCreate = Type.Object(
  { name, description },
  { $id: 'TutorialCreate', additionalProperties: false, description: 'A new tutorial.', examples: [EXAMPLE] },
)

const TutorialUpdate = Type.Partial(TutorialCreate, {
  $id: 'TutorialUpdate',
  additionalProperties: false,
  minProperties: 1,
  description: 'The fields to change. Omitted fields keep their values.',
  examples: [{ name: 'Better knots' }],
})

const TutorialPage = Type.Object(
  { items: pageOf(Tutorial), next_cursor: nextCursor },
  {
    $id: 'TutorialPage',
    description: 'A page of tutorials, newest first.',
    examples: [{ items: Tutorial.examples, next_cursor: null }],
  },
)

const one = rowAnswer(Tutorial)

const pages = pagesOf('tutorials')

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { db, tables, now } = app.database
  const path = publicPath(app.config)
  const { tutorials } = tables
  const statements = prepareTutorials(app.database)
  const quota = app.rowQuotas.tutorials
  for (const schema of [Tutorial, TutorialCreate, TutorialUpdate, TutorialPage]) app.addSchema(schema)

  app.get('/v1/tutorials', {
    config: { scope: 'tutorials:read' },
    schema: {
      operationId: 'listTutorials',
      tags: ['tutorials'],
      summary: 'List your tutorials',
      description: 'Returns a page of your tutorials, newest first.',
      querystring: Type.Object(pageQuery, { additionalProperties: false }),
      response: { 200: ref(TutorialPage), ...problems(400, 401) },
    },
    handler: async (request) => {
      const { user, query } = request
      const { limit = DEFAULT_LIMIT, cursor } = query
      const page = { userId: user.userId, before: pages.before(cursor), count: limit + 1 }
      const rows = await withRoomFor(request, page, () => statements.list.execute(page))
      return pages.page(rows, limit, toTutorial)
    },
  })

  app.post('/v1/tutorials', {
    config: { scope: 'tutorials:write' },
    schema: {
      operationId: 'createTutorial',
      tags: ['tutorials'],
      summary: 'Add a tutorial',
      description: 'Creates a tutorial. Only you can see it.',
      body: ref(TutorialCreate),
      response: {
        201: { ...one, headers: { ...etagHeader, Location: Type.String({ description: 'The URL of the new row.' }) } },
        ...problems(400, 401, 413, 415),
        409: problemAnswer(409, 'too_many_rows'),
      },
    },
    handler: async ({ user, body }, reply) => {
      const { userId } = user
      const row = sole(await quota.spend(userId, () => statements.insert.execute({ userId, ...body })))
      reply.code(201).header('location', `${path}/v1/tutorials/${row.id}`).header('etag', etag(row.version))
      return reply.send(toTutorial(row))
    },
  })

  app.get('/v1/tutorials/:id', {
    config: { scope: 'tutorials:read' },
    schema: {
      operationId: 'getTutorial',
      tags: ['tutorials'],
      summary: 'Get a tutorial',
      description:
        'Returns one of your tutorials with its ETag. For a tutorial of another user, the response is 404, as if ' +
        'the tutorial did not exist.',
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
      return isFresh(headers['if-none-match'], tag) ? reply.code(304).send() : toTutorial(row)
    },
  })

  app.patch('/v1/tutorials/:id', {
    config: { scope: 'tutorials:write' },
    schema: {
      operationId: 'updateTutorial',
      tags: ['tutorials'],
      summary: 'Change a tutorial',
      description:
        'Changes the given fields. With If-Match, the change is made only if the row still has that ETag; ' +
        'otherwise the response is 412.',
      params: IdParams,
      headers: ifMatch,
      body: ref(TutorialUpdate),
      response: { 200: one, ...problems(400, 401, 404, 412, 413, 415) },
    },
    handler: async ({ user, params, headers, body }, reply) => {
      const [row] = await db
        .update(tutorials)
        .set({ ...body, version: sql`${tutorials.version} + 1`, updatedAt: now })
        .where(ownedRow(tutorials, user.userId, params.id, headers['if-match']))
        .returning()
      if (row === undefined) throw await refusal(user.userId, params.id, headers['if-match'])
      reply.header('etag', etag(row.version))
      return toTutorial(row)
    },
  })

  app.delete('/v1/tutorials/:id', {
    config: { scope: 'tutorials:write' },
    schema: {
      operationId: 'deleteTutorial',
      tags: ['tutorials'],
      summary: 'Delete a tutorial',
      description:
        'Deletes the row. With If-Match, the row is deleted only if it still has that ETag; otherwise the response ' +
        'is 412.',
      params: IdParams,
      headers: ifMatch,
      response: { 204: noContent('Deleted.'), ...problems(400, 401, 404, 412, 413, 415) },
    },
    handler: async ({ user, params, headers }, reply) => {
      const [row] = await db
        .delete(tutorials)
        .where(ownedRow(tutorials, user.userId, params.id, headers['if-match']))
        .returning({ id: tutorials.id })
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
