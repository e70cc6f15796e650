import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { arrayStream } from '../../src/api/array-stream.js'
import { ROOM_TIMEOUT_MS, withRoomFor } from '../../src/api/row-gate.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { prepareFlaskTutorials, toTutorial } from '../../src/api/tutorials.js'
import { flaskJson, flaskMethods, flaskNotFound, flaskPage } from '../../src/compat/flask.js'
import { refusedToken, TOKEN_REVOKED } from '../../src/compat/flask-jwt.js'
import { anyOf, common, json, MessageError, MsgError } from '../../src/compat/schemas.js'
import { answerErrors, fieldsOf, isName, isText, Refusal, standInFor } from '../../src/compat/tutorial.js'
import { sole } from '../../src/database/database.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import { DESCRIPTION_MAX_LENGTH, isLongerThan, NAME_MAX_LENGTH } from '../../src/text-lengths.js'

/** Flask's `<int:tutorial_id>`. */
const TUTORIAL = '/tutorials/:id(^\\d+$)'

/** How many rows of the list are read at once, of up to 40 kB each. */
const ROWS_AT_ONCE = 20

const WORDED: Partial<Record<ProblemCode, Refusal>> = {
  too_many_rows: new Refusal(409, { message: 'You have as many tutorials as an account may have' }),
}
const NOT_YOURS = new Refusal(404, { message: 'No tutorials with this id' })
const INCOMPLETE = new Refusal(400, { message: 'name and description are required' })
const NOT_TEXT = new Refusal(400, {
  message: `name and description must be strings of at most ${NAME_MAX_LENGTH} and ${DESCRIPTION_MAX_LENGTH} characters`,
})

const EXAMPLE = { name: 'New Video', description: '1234' }
const FlaskTutorial = Type.Object(
  {
    id: Type.Integer({ format: 'int64' }),
    user_id: Type.Integer({ format: 'int64' }),
    name: Type.String(),
    description: Type.String(),
  },
  { $id: 'FlaskTutorial', description: 'A tutorial.', examples: [{ id: 1, user_id: 1, ...EXAMPLE }] },
)
const FlaskTutorialCreate = Type.Object(
  { name: Type.String(), description: Type.String() },
  { $id: 'FlaskTutorialCreate', description: 'A new tutorial. Other fields are ignored.', examples: [EXAMPLE] },
)
const FlaskTutorialUpdate = Type.Partial(FlaskTutorialCreate, {
  $id: 'FlaskTutorialUpdate',
  description: 'The fields to change. Other fields are ignored.',
  examples: [{ name: 'changed' }],
})

const about = { tags: ['flask-tutorials'] }
const params = Type.Object({
  id: Type.Unsafe<string>({ type: 'integer', format: 'int64', description: 'The id of the row.' }),
})
const refusals = {
  401: json('No token was sent, or it has expired or was revoked.', ref(MsgError)),
  422: json('What was sent is no valid token.', ref(MsgError)),
  ...common(anyOf(MsgError, MessageError)),
}
const notYours = json('There is no such tutorial, or it is not yours.', ref(MessageError))
const malformed = json('The body is not what it should be.', ref(MessageError))

/** The Flask tutorial's API: the tutorials of each user. The sign-up is in flask-tutorials-register.ts. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [FlaskTutorial, FlaskTutorialCreate, FlaskTutorialUpdate, MsgError, MessageError]) {
    app.addSchema(schema)
  }
  const statements = prepareFlaskTutorials(app.database)
  const quota = app.rowQuotas.tutorials

  app.setErrorHandler(
    answerErrors(
      'msg',
      (problem, { headers }) =>
        WORDED[problem.code] ?? refusedToken(problem, headers.authorization) ?? flaskPage(problem),
    ),
  )

  const guarded = { config: { legacyTokens: true as const }, onRequest: refuseLowerCase, preHandler: refuseGone }

  app.get('/tutorials', {
    ...guarded,
    schema: {
      ...about,
      operationId: 'flaskTutorialsList',
      summary: 'List your tutorials',
      description: 'Returns all your tutorials, oldest first.',
      response: { 200: json('Your tutorials.', Type.Array(ref(FlaskTutorial))), ...refusals },
    },
    handler: async (request, reply) => {
      const { userId } = request.user
      const after = (id: number, count: number, timeoutMs = Infinity) =>
        withRoomFor(request, { count, timeoutMs }, () => statements.list.execute({ userId, after: id, count }))
      const first = await after(0, ROWS_AT_ONCE, ROOM_TIMEOUT_MS)
      if (first.length < ROWS_AT_ONCE) return first.map(toTutorial)
      reply.type('application/json; charset=utf-8')
      // For HEAD, the router would read the whole stream.
      const pages = { first, size: ROWS_AT_ONCE, after, toItem: toTutorial }
      return reply.send(request.method === 'HEAD' ? '' : arrayStream(pages))
    },
  })

  app.post('/tutorials', {
    ...guarded,
    schema: {
      ...about,
      operationId: 'flaskTutorialsCreate',
      summary: 'Add a tutorial',
      description: 'Creates a tutorial that belongs to you. An `id` or `user_id` in the body is ignored.',
      body: ref(FlaskTutorialCreate),
      response: {
        200: json('The new row.', ref(FlaskTutorial)),
        400: malformed,
        409: json('You have as many tutorials as an account may have.', ref(MessageError)),
        ...refusals,
      },
    },
    handler: async (request) => {
      const { name, description } = fieldsOf(flaskJson(request)) ?? {}
      if (!isText(name) || !isText(description) || name === '') throw INCOMPLETE
      if (!isName(name) || !isDescription(description)) throw NOT_TEXT
      const { userId } = request.user
      const insert = () => statements.insert.execute({ userId, name, description })
      return toTutorial(sole(await quota.spend(userId, insert)))
    },
  })

  app.put(TUTORIAL, {
    ...guarded,
    schema: {
      ...about,
      operationId: 'flaskTutorialsUpdate',
      summary: 'Change a tutorial',
      description: 'Changes the given fields. The owner cannot be changed.',
      params,
      body: ref(FlaskTutorialUpdate),
      response: { 200: json('The row.', ref(FlaskTutorial)), 400: malformed, 404: notYours, ...refusals },
    },
    handler: async (request) => {
      const id = tutorialId(request.params.id)
      const { name, description } = fieldsOf(flaskJson(request)) ?? { name: null }
      const isFitting =
        (name === undefined || isName(name)) && (description === undefined || isDescription(description))
      if (!isFitting) throw NOT_TEXT
      const changes = { name: name ?? null, description: description ?? null }
      const [row] = await statements.update.execute({ userId: request.user.userId, id, ...changes })
      if (row === undefined) throw NOT_YOURS
      return toTutorial(row)
    },
  })

  app.delete(TUTORIAL, {
    ...guarded,
    schema: {
      ...about,
      operationId: 'flaskTutorialsDelete',
      summary: 'Delete a tutorial',
      description: 'Deletes the tutorial. A deleted tutorial cannot be restored.',
      params,
      response: { 204: noContent('Deleted.'), 404: notYours, ...refusals },
    },
    handler: async ({ user, params }, reply) => {
      const [row] = await statements.delete.execute({ userId: user.userId, id: tutorialId(params.id) })
      if (row === undefined) throw NOT_YOURS
      await quota.giveBack(user.userId)
      return reply.code(204).send()
    },
  })

  flaskMethods(app, '/tutorials', ['GET', 'POST'])
  flaskMethods(app, TUTORIAL, ['PUT', 'DELETE'])
  flaskNotFound(app, '/tutorials/:id')

  /**
   * A token outlives its user until this process reads the revocation. Queries the user, so that no row is added
   * meanwhile.
   */
  async function refuseGone({ user }: FastifyRequest): Promise<void> {
    if ((await app.accounts.find(user.userId)) === undefined) throw TOKEN_REVOKED
  }
}

export default routes

/** The guard accepts `bearer`; the tutorial does not. */
function refuseLowerCase({ headers }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  done(headers.authorization?.startsWith('Bearer') ? undefined : new Problem('missing_token'))
}

function isDescription(value: unknown): value is string {
  return isText(value) && !isLongerThan(DESCRIPTION_MAX_LENGTH, value)
}

/** @throws 404 for a number that is too large to be an id */
function tutorialId(text: string): number {
  const id = Number(text)
  if (!Number.isSafeInteger(id)) throw NOT_YOURS
  return id
}
