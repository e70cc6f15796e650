import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { Login, locale, toLogin } from '../../src/api/account-schemas.js'
import { identifiersIn } from '../../src/api/identifiers.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, nullable, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { publicPath } from '../../src/config/public-url.js'
import { Problem } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, NAME_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Registration = Type.Object(
  {
    username: Type.Optional(
      nullable({
        maxLength: 128,
        description: 'A user name to log in with, 3 to 32 characters; in Hangul, Han or Kana, two are enough.',
      }),
    ),
    email: Type.Optional(
      nullable({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'An e-mail address to log in with.' }),
    ),
    name: Type.Optional(nullable({ maxLength: NAME_MAX_LENGTH, description: 'Display name, on one line.' })),
    locale: Type.Optional(locale),
    password: Type.String({
      minLength: 1,
      maxLength: PASSWORD_MAX_LENGTH,
      description:
        'The password. All characters are allowed; the password must be long enough and not a common password.',
    }),
  },
  {
    $id: 'Registration',
    additionalProperties: false,
    description:
      'A new account with a user name, an e-mail address, or both. Null and the empty string are treated as ' +
      'omitted.',
    examples: [{ username: 'mina', email: 'mina@example.com', name: 'Mina', password: 'three quiet lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const path = publicPath(app.config)
  app.addSchema(Registration)

  app.post('/v1/register', {
    config: { public: true, rateLimit: 'network' },
    attachValidation: true,
    schema: {
      operationId: 'register',
      tags: ['auth'],
      summary: 'Create an account',
      description:
        'Creates an account and logs in. User names are compared without case: `Mina` and `mina` are the same. ' +
        'If EMAIL_VERIFICATION is `required`, an e-mail address must be given. The response is then 202, whether ' +
        'or not the address belongs to another account, and the account can log in once POST ' +
        '/v1/email-verification/confirm has confirmed the address. If MFA is `required`, the account is created ' +
        'and the response is 403 `mfa_enrollment_required` with a ticket.',
      security: [],
      body: ref(Registration),
      response: {
        201: {
          description: 'The account and its first tokens.',
          headers: { Location: Type.String({ description: 'The URL of the account.' }) },
          content: { 'application/json': { schema: ref(Login) } },
        },
        202: noContent('A mail will be sent. The account can log in once the address is confirmed.'),
        ...problems(400, 409, 413, 415, 429),
        403: problemAnswer(403, 'registration_closed'),
      },
    },
    handler: async (request, reply) => {
      const { username, email } = identifiersIn(request, 'one or both')
      const { name, locale, password } = request.body
      const client = clientOf(request)
      const registration = { username, email, name: name || undefined, locale: locale ?? undefined, password }
      const login = await app.registration.register(registration, client, {
        finish: async (user, db) => {
          if (user.unprovenUntil !== null) return undefined
          if (app.enrollments.isNeeded(user)) return app.enrollments.refusal(user, 'pwd')
          return toLogin(user, await app.sessions.issue(user, client, db))
        },
      })
      // The account was created nevertheless.
      if (login instanceof Problem) throw login
      if (login === undefined) return reply.code(202).send()
      return reply.code(201).header('location', `${path}/v1/me`).send(login)
    },
  })
}

export default routes
