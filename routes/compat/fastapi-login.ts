import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { fastapiPost, loginWording, passwordForm } from '../../src/compat/fastapi.js'
import { common, DetailError, json, passwordFormFields, UserToken, ValidationError } from '../../src/compat/schemas.js'
import { answerErrors, isIdentifier, standInFor } from '../../src/compat/tutorial.js'
import { Problem } from '../../src/problems.js'

/** ACCESS_TOKEN_EXPIRE_MINUTES = 60 * 24 */
const LIFETIME_MS = 24 * 3_600_000

const FastapiLogin = Type.Object(passwordFormFields, {
  $id: 'FastapiLogin',
  description: 'The credentials.',
  examples: [{ username: 'dave', password: 'three quiet lanterns' }],
})

/** The log-in of the first FastAPI tutorial: an OAuth2 password form. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!app.config.COMPAT) return
  standInFor(app)
  for (const schema of [FastapiLogin, UserToken, DetailError, ValidationError]) app.addSchema(schema)
  app.setErrorHandler(answerErrors('detail', loginWording))

  app.post('/api/user/login', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'fastapiLogIn',
      tags: ['fastapi-login'],
      summary: 'Log in with a password form',
      description:
        'Returns a token that is valid for 24 hours. POST /v1/logout revokes the token earlier; the tutorial mentions ' +
        'log-out only in its title.',
      security: [],
      consumes: ['application/x-www-form-urlencoded', 'multipart/form-data'],
      body: ref(FastapiLogin),
      response: {
        200: json('The token.', ref(UserToken)),
        400: json('The form cannot be read.', ref(DetailError)),
        401: json('The user name or the password is wrong.', ref(DetailError)),
        422: json('A field is missing.', ref(ValidationError)),
        ...common(ref(DetailError)),
      },
    },
    handler: async (request) => {
      const { username, password } = await passwordForm(request)
      if (!isIdentifier(username)) throw new Problem('invalid_credentials')
      const user = await app.logIn.authenticateExactly('username', username, password, clientOf(request))
      const access_token = await app.sessions.issueAccessToken(user, clientOf(request), LIFETIME_MS)
      return { access_token, token_type: 'bearer', username }
    },
  })

  fastapiPost(app, '/api/user/login')
}

export default routes
