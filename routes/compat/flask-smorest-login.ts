import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { AccessToken, anyOf, common, json, MsgError, SmorestError } from '../../src/compat/schemas.js'
import {
  answerErrors,
  fieldsOf,
  isIdentifier,
  isJson,
  parseJson,
  Refusal,
  refuseOtherMethods,
  standInFor,
} from '../../src/compat/tutorial.js'
import { Problem } from '../../src/problems.js'

/** Flask-JWT-Extended's default. */
const LIFETIME_MS = 15 * 60_000

const MISSING_JSON = new Refusal(400, { msg: 'Missing JSON in request' })
const MISSING_FIELDS = new Refusal(400, { msg: 'Missing username or password' })
const WRONG_CREDENTIALS = new Refusal(401, { msg: 'Bad username or password' })
const BAD_REQUEST = new Refusal(400, { code: 400, status: 'Bad Request' })
// Flask-Smorest omits the Allow header.
const WRONG_METHOD = new Refusal(405, { code: 405, status: 'Method Not Allowed' })

const SmorestLogin = Type.Object(
  { username: Type.String(), password: Type.String() },
  {
    $id: 'SmorestLogin',
    description: 'The credentials.',
    examples: [{ username: 'dave', password: 'three quiet lanterns' }],
  },
)

/** The log-in of the Flask-Smorest tutorial: JSON at POST /login/, with the trailing slash. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [SmorestLogin, AccessToken, MsgError, SmorestError]) app.addSchema(schema)

  app.setErrorHandler(
    answerErrors('msg', ({ code }) => {
      if (code === 'invalid_credentials' || code === 'password_rejected') return WRONG_CREDENTIALS
      return code === 'malformed_body' ? BAD_REQUEST : undefined
    }),
  )

  app.post('/login/', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'flaskSmorestLogIn',
      tags: ['flask-smorest-login'],
      summary: 'Log in with a user name',
      description:
        'Returns a token that is valid for 15 minutes. POST /v1/logout revokes it earlier. The path ends with a slash.',
      security: [],
      body: ref(SmorestLogin),
      response: {
        200: json('The token.', ref(AccessToken)),
        400: json('No JSON, or not both fields.', anyOf(MsgError, SmorestError)),
        401: json('The user name or the password is wrong.', ref(MsgError)),
        ...common(ref(MsgError)),
      },
    },
    handler: async (request) => {
      if (!isJson(request)) throw MISSING_JSON
      const { username, password } = fieldsOf(parseJson(request)) ?? {}
      if (typeof username !== 'string' || typeof password !== 'string') throw MISSING_FIELDS
      if (username === '' || password === '') throw MISSING_FIELDS
      if (!isIdentifier(username)) throw new Problem('invalid_credentials')
      const user = await app.logIn.authenticateExactly('username', username, password, clientOf(request))
      return { access_token: await app.sessions.issueAccessToken(user, clientOf(request), LIFETIME_MS) }
    },
  })

  refuseOtherMethods(app, '/login/', ['POST'], WRONG_METHOD)
}

export default routes
