import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { emailKey, identifierKey } from '../../src/accounts/names.js'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { MailRequest } from '../../src/api/mail-schemas.js'
import { problemAnswer, problems, TICKET_EXAMPLE } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { languageOf } from '../../src/pages/languages.js'
import { IDENTIFIER_MAX_LENGTH } from '../../src/text-lengths.js'

const CodeLogin = Type.Object(
  {
    email: Type.String({
      minLength: 3,
      maxLength: IDENTIFIER_MAX_LENGTH,
      description: 'The address that the mail was sent to.',
    }),
    code: Type.String({ minLength: 1, maxLength: 32, description: 'The code from the mail, in upper or lower case.' }),
  },
  {
    $id: 'CodeLogin',
    additionalProperties: false,
    description: 'An e-mail address, and the code that was mailed to it.',
    examples: [{ email: 'mina@example.com', code: '7K3M-Q9TX' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [CodeLogin, MailRequest]) app.addSchema(schema)

  app.post('/v1/login/code/request', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'requestLoginCode',
      tags: ['auth'],
      summary: 'Request a code to log in with',
      description:
        'Mails a log-in code to the confirmed address of an account. The code is valid for ten minutes. Requires ' +
        'the setting EMAIL_LOGIN. The response is the same whether or not the address belongs to an account, and ' +
        'also when the hourly limit of mails is exceeded.',
      security: [],
      body: ref(MailRequest),
      response: {
        202: noContent('If the address is the confirmed address of an account, a mail will be sent.'),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'email_login_disabled'),
      },
    },
    handler: async (request, reply) => {
      app.codeLogIn.assertOn()
      const mail = { purpose: 'login', address: emailKey(request.body.email) } as const
      await app.mail.outbox.request({ ...mail, locale: languageOf(request.headers) }, clientOf(request).ip)
      return reply.code(202).send()
    },
  })

  app.post('/v1/login/code', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'loginWithCode',
      tags: ['auth'],
      summary: 'Log in with a mailed code',
      description:
        'Starts a session, as POST /v1/login does. A code works once, and five wrong codes invalidate it. An ' +
        'unknown address and a wrong code get the same response. For an account with a second factor, the ' +
        'response is 403 `mfa_required` with a ticket for POST /v1/login/factor. If an account has no second ' +
        'factor but the setting MFA requires one, the response is 403 `mfa_enrollment_required`.',
      security: [],
      body: ref(CodeLogin),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        401: problemAnswer(401, 'invalid_credentials'),
        403: problemAnswer(403, 'mfa_required', TICKET_EXAMPLE),
      },
    },
    handler: async (request) => {
      const { email, code } = request.body
      const client = clientOf(request)
      const user = await app.codeLogIn.authenticate({ target: identifierKey(email), code }, client)
      return toLogin(user, await app.sessions.issue(user, client))
    },
  })
}

export default routes
