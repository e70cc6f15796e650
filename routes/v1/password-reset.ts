import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { emailKey } from '../../src/accounts/names.js'
import { shownIn } from '../../src/accounts/shown.js'
import { MailRequest } from '../../src/api/mail-schemas.js'
import { METHODS_EXAMPLE, problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { codeIn } from '../../src/api/second-factors.js'
import { clientOf } from '../../src/audit/requester.js'
import { languageOf } from '../../src/pages/languages.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const NewPassword = Type.Object(
  {
    token: Type.Optional(
      Type.String({ maxLength: 128, description: 'The one-time token of the link, or that an admin gave you.' }),
    ),
    email: Type.Optional(
      Type.String({ maxLength: IDENTIFIER_MAX_LENGTH, description: 'In place of `token`: where the mail went.' }),
    ),
    code: Type.Optional(Type.String({ maxLength: 32, description: 'The code of the mail, in any capitals.' })),
    new_password: Type.String({
      minLength: 1,
      maxLength: PASSWORD_MAX_LENGTH,
      description: 'The new password.',
    }),
    totp: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description: 'The code of an authenticator app, where there is one.',
      }),
    ),
    recovery_code: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'In place of `totp`.' })),
  },
  {
    $id: 'NewPassword',
    additionalProperties: false,
    description:
      'A one-time token, or an address and a code, and the new password; with a second factor, one code of it.',
    examples: [{ email: 'mina@example.com', code: '7K3M-Q9TX', new_password: 'four louder lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(NewPassword)
  app.addSchema(MailRequest)

  app.post('/v1/password-reset/request', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'requestPasswordReset',
      tags: ['auth'],
      summary: 'Ask for a mail to set a new password',
      description:
        'Whoever forgot the password gets a mail with a link and a code, good for an hour. The answer is the same whether ' +
        'the address has an account or not, and past the hourly limit of mails.',
      security: [],
      body: ref(MailRequest),
      response: {
        202: noContent('If the address has an account, a mail is on its way.'),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'mail_disabled'),
      },
    },
    handler: async (request, reply) => {
      const address = emailKey(request.body.email)
      const locale = languageOf(request.headers)
      await app.mail.outbox.request({ purpose: 'password_reset', address, locale }, clientOf(request).ip)
      return reply.code(202).send()
    },
  })

  app.post('/v1/password-reset', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'resetPassword',
      tags: ['auth'],
      summary: 'Set a new password with a link or a code',
      description:
        'Sets the password and ends all sessions of the account; log in again with the new password. Five wrong codes end a ' +
        'code; its link stays good. A password that is refused uses nothing up. With a mail, an account with a second factor gets ' +
        '403 `mfa_required`: send the same again with `totp` or `recovery_code`.',
      security: [],
      body: ref(NewPassword),
      response: {
        204: noContent('It is set.'),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'mfa_required', METHODS_EXAMPLE),
      },
    },
    handler: async (request, reply) => {
      const { new_password: password } = request.body
      const reset = { password, factor: codeIn(request.body) }
      await app.newPasswords.resetBy(shownIn(request.body), reset, clientOf(request))
      return reply.code(204).send()
    },
  })
}

export default routes
