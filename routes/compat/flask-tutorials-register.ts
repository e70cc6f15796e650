import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { flaskJson, flaskMethods, flaskNotFound, flaskPage } from '../../src/compat/flask.js'
import { AccessToken, anyOf, common, json, MessageError, MsgError } from '../../src/compat/schemas.js'
import { answerErrors, fieldsOf, isName, Refusal, standInFor } from '../../src/compat/tutorial.js'
import { Problem } from '../../src/problems.js'
import { NAME_MAX_LENGTH } from '../../src/text-lengths.js'

/** Hours, as the tutorial intended, not the days of its `timedelta(24)`. Its log-in is in flask-restful-login.ts. */
const LIFETIME_MS = 24 * 3_600_000

const MISSING_FIELDS = new Refusal(400, { msg: 'Missing name, email or password' })
const TOO_LONG = new Refusal(400, {
  msg: `A name or an email has at most ${NAME_MAX_LENGTH} characters, all of them text`,
})
const EMAIL_TAKEN = new Refusal(409, { msg: 'Email already registered' })

const TutorialsRegistration = Type.Object(
  { name: Type.String(), email: Type.String(), password: Type.String() },
  {
    $id: 'TutorialsRegistration',
    description: 'A new account.',
    examples: [{ name: 'Dana', email: 'dana@example.com', password: 'three quiet lanterns' }],
  },
)
/** The Flask tutorial's registration. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [TutorialsRegistration, AccessToken, MsgError, MessageError]) app.addSchema(schema)

  app.setErrorHandler(
    answerErrors('msg', (problem) => (problem.code === 'email_taken' ? EMAIL_TAKEN : flaskPage(problem))),
  )

  app.post('/register', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'flaskTutorialsRegister',
      tags: ['flask-tutorials'],
      summary: 'Create an account',
      description: 'Creates an account and returns a token that is valid for 24 hours.',
      security: [],
      body: ref(TutorialsRegistration),
      response: {
        200: json('The first token.', ref(AccessToken)),
        400: json('A field is missing, or cannot be used.', anyOf(MsgError, MessageError)),
        403: json('People cannot register themselves here.', ref(MsgError)),
        409: json('The address is taken.', ref(MsgError)),
        ...common(anyOf(MsgError, MessageError)),
      },
    },
    handler: async (request) => {
      const { name, email, password } = fieldsOf(flaskJson(request)) ?? {}
      if (!isGiven(name) || !isGiven(email) || !isGiven(password)) throw MISSING_FIELDS
      if (!isName(name) || !isName(email)) throw TOO_LONG
      // The tutorial has no response for an account that cannot log in yet.
      if (app.enrollments.isNeeded({ role: 'user' })) throw new Problem('registration_closed')
      const client = clientOf(request)
      const access_token = await app.registration.register({ name, email, password }, client, {
        isTutorial: true,
        finish: (user, db) => app.sessions.issueAccessToken(user, client, LIFETIME_MS, db),
      })
      return { access_token }
    },
  })

  flaskMethods(app, '/register', ['POST'])
  flaskNotFound(app, '/register/')
}

export default routes

function isGiven(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
