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
    email: Type.String({ minLength: 3, maxLength: IDENTIFIER_MAX_LENGTH, description: 'Where the mail went.' }),
    code: Type.String({ minLength: 1, maxLength: 32, description: 'The code of the mail, in any capitals.' }),
  },
  {
    $id: 'CodeLogin',
    additionalProperties: false,
    description: 'An address, and the code that was mailed to it.',
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
      summary: 'Ask for a code to log in with',
      description:
        'Whoever has confirmed the address of their account gets a mail with a code, good for ten minutes, where EMAIL_LOGIN ' +
        'is on. The answer is the same whether the address has an account or not, and past the hourly limit of mails.',
      security: [],
      body: ref(MailRequest),
      response: {
        202: noContent('If the address is the confirmed one of an account, a mail is on its way.'),
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
        'Starts a session, as POST /v1/login does. A code works once, and five wrong ones end it. An unknown address and a ' +
        'wrong code get the same response. An account with a second factor gets 403 `mfa_required` with a ticket, which ' +
        'POST /v1/login/factor completes; one that needs a factor and has none, `mfa_enrollment_required`.',
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
