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
      Type.String({ maxLength: 128, description: 'The one-time token from the link or from an admin.' }),
    ),
    email: Type.Optional(
      Type.String({
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'The address that the mail was sent to, with `code` instead of `token`.',
      }),
    ),
    code: Type.Optional(Type.String({ maxLength: 32, description: 'The code from the mail, in upper or lower case.' })),
    new_password: Type.String({
      minLength: 1,
      maxLength: PASSWORD_MAX_LENGTH,
      description: 'The new password.',
    }),
    totp: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description: 'A code from an authenticator app, if the account has one.',
      }),
    ),
    recovery_code: Type.Optional(
      Type.String({ minLength: 1, maxLength: 32, description: 'A recovery code, instead of `totp`.' }),
    ),
  },
  {
    $id: 'NewPassword',
    additionalProperties: false,
    description:
      'The new password, with either a one-time token, or an address and a code. With a link or code from a ' +
      'mail, an account with a second factor also needs `totp` or `recovery_code`.',
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
      summary: 'Request a mail to reset the password',
      description:
        'Mails a link and a code to set a new password. Both are valid for an hour. The response is the same ' +
        'whether or not the address belongs to an account, and also when the hourly limit of mails is exceeded.',
      security: [],
      body: ref(MailRequest),
      response: {
        202: noContent('If the address belongs to an account, a mail will be sent.'),
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
        'Sets a new password and ends all sessions of the account; log in again with the new password. Five ' +
        'wrong codes invalidate the code, but the link stays valid. A rejected password does not use up the link ' +
        'or the code. With a link or code from a mail, the response for an account with a second factor is 403 ' +
        '`mfa_required`: send the same request again with `totp` or `recovery_code`.',
      security: [],
      body: ref(NewPassword),
      response: {
        204: noContent('The password is set.'),
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
