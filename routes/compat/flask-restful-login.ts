import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { flaskJson, flaskMethods, flaskPage } from '../../src/compat/flask.js'
import { AccessToken, anyOf, common, json, MessageError, MsgError } from '../../src/compat/schemas.js'
import { answerErrors, fieldsOf, isIdentifier, Refusal, standInFor, type Wording } from '../../src/compat/tutorial.js'
import { Problem } from '../../src/problems.js'

/** Flask-JWT-Extended's default, for log-ins by user name. */
const LIFETIME_MS = 15 * 60_000
/** For log-ins by e-mail address: hours, as the other tutorial intended, not the days of its `timedelta(24)`. */
const EMAIL_LIFETIME_MS = 24 * 3_600_000

const WRONG_USERNAME = new Refusal(401, { message: 'Invalid username or password' })
const WRONG_EMAIL = new Refusal(401, { msg: 'Bad email or password' })
const MISSING_FIELDS = new Refusal(400, { msg: 'Missing email or password' })

const RestfulLogin = Type.Object(
  { username: Type.String(), password: Type.String() },
  {
    $id: 'RestfulLogin',
    description: 'The credentials.',
    examples: [{ username: 'dave', password: 'three quiet lanterns' }],
  },
)
const EmailLogin = Type.Object(
  { email: Type.String(), password: Type.String() },
  {
    $id: 'EmailLogin',
    description: 'The credentials.',
    examples: [{ email: 'dana@example.com', password: 'three quiet lanterns' }],
  },
)

/**
 * POST /login of two tutorials: by user name, of the Flask-RESTful tutorial; if the body has `email`, of the tutorials
 * API, whose other paths are in flask-tutorials.ts. Their errors have different keys.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [RestfulLogin, EmailLogin, AccessToken, MsgError, MessageError]) app.addSchema(schema)

  const answerByUsername = answerErrors('message', wording(WRONG_USERNAME))
  const answerByEmail = answerErrors('msg', wording(WRONG_EMAIL))
  app.setErrorHandler((error, request, reply) =>
    (namesEmail(request) ? answerByEmail : answerByUsername)(error, request, reply),
  )

  app.post('/login', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'flaskRestfulLogIn',
      tags: ['flask-restful-login'],
      summary: 'Log in with a user name, or with an e-mail address',
      description:
        'Returns a token. With `username`, as in the Flask-RESTful tutorial: valid for 15 minutes, errors in `message`. ' +
        'With `email`, as in the tutorials API: valid for 24 hours, errors in `msg`. POST /v1/logout revokes the token ' +
        'earlier.',
      security: [],
      body: anyOf(RestfulLogin, EmailLogin),
      response: {
        200: json('The token.', ref(AccessToken)),
        400: json('No JSON, or not both fields.', anyOf(MsgError, MessageError)),
        401: json('The name, the address or the password is wrong.', anyOf(MsgError, MessageError)),
        ...common(anyOf(MsgError, MessageError)),
      },
    },
    handler: async (request) => {
      const fields = fieldsOf(flaskJson(request)) ?? {}
      // The error handler reads the parsed body to choose the tutorial.
      request.body = fields
      const access_token = await ('email' in fields ? logInByEmail(request, fields) : logInByUsername(request, fields))
      return { access_token }
    },
  })

  flaskMethods(app, '/login', ['POST'])

  async function logInByUsername(request: FastifyRequest, { username, password }: Record<string, unknown>) {
    if (!isIdentifier(username) || typeof password !== 'string') throw new Problem('invalid_credentials')
    const user = await app.logIn.authenticateExactly('username', username, password, clientOf(request))
    return app.sessions.issueAccessToken(user, clientOf(request), LIFETIME_MS)
  }

  async function logInByEmail(request: FastifyRequest, { email, password }: Record<string, unknown>) {
    if (typeof email !== 'string' || typeof password !== 'string') throw MISSING_FIELDS
    if (!isIdentifier(email)) throw new Problem('invalid_credentials')
    const user = await app.logIn.authenticateExactly('email', email, password, clientOf(request))
    return app.sessions.issueAccessToken(user, clientOf(request), EMAIL_LIFETIME_MS)
  }
}

export default routes

function wording(wrongCredentials: Refusal): Wording {
  return (problem) => {
    const { code } = problem
    return code === 'invalid_credentials' || code === 'password_rejected' ? wrongCredentials : flaskPage(problem)
  }
}

function namesEmail({ body }: FastifyRequest): boolean {
  // An unparsed body is still a Buffer, whose indices look like fields.
  return !Buffer.isBuffer(body) && 'email' in (fieldsOf(body) ?? {})
}
