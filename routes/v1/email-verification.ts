import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { emailKey } from '../../src/accounts/names.js'
import type { Grant } from '../../src/accounts/one-time-tokens.js'
import { shownIn } from '../../src/accounts/shown.js'
import { fromMail, MailRequest } from '../../src/api/mail-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { languageOf } from '../../src/pages/languages.js'
import { Problem } from '../../src/problems.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'
import { isWhole } from '../../src/tokens/access-tokens.js'

const EmailConfirmation = Type.Object(
  {
    ...fromMail,
    password: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: PASSWORD_MAX_LENGTH,
        description: 'The password of the account, instead of an access token.',
      }),
    ),
  },
  {
    $id: 'EmailConfirmation',
    additionalProperties: false,
    minProperties: 1,
    description: 'Either a one-time token, or an address and a code. Without an access token, also the password.',
    examples: [{ email: 'mina@example.com', code: '7K3M-Q9TX', password: 'three quiet lanterns' }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [EmailConfirmation, MailRequest]) app.addSchema(schema)

  app.post('/v1/email-verification', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'requestEmailVerification',
      tags: ['auth'],
      summary: 'Request a confirmation mail',
      description:
        'Sends the confirmation mail again to an unconfirmed address. The response is the same for every ' +
        'address, and also when the hourly limit of mails is exceeded.',
      security: [],
      body: ref(MailRequest),
      response: {
        202: noContent('If the address is unconfirmed, a mail will be sent.'),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'mail_disabled'),
      },
    },
    handler: async (request, reply) => {
      const mail = { purpose: 'email_verification', address: emailKey(request.body.email) } as const
      await app.mail.outbox.request({ ...mail, locale: languageOf(request.headers) }, clientOf(request).ip)
      return reply.code(202).send()
    },
  })

  app.post('/v1/email-verification/confirm', {
    // Authenticated in the handler instead of by the guard: an account with an unconfirmed address has no access token
    // yet.
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'confirmEmail',
      tags: ['auth'],
      summary: 'Confirm an e-mail address',
      description:
        'Confirms an address with the token or code from the mail, and with an access token or the password of ' +
        'the account. Without this second proof, the owner of an address who clicks the link could confirm an ' +
        'account that an attacker registered with the address. The first confirmation ends all other sessions of ' +
        'the account. The link in a mail about a changed address needs no second proof: it undoes the change.',
      body: ref(EmailConfirmation),
      response: {
        204: noContent('Confirmed.'),
        ...problems(400, 401, 403, 413, 415, 429),
        409: problemAnswer(409, 'email_taken'),
      },
    },
    handler: async (request, reply) => {
      const client = clientOf(request)
      const grant = await app.emailAddresses.find(shownIn(request.body), client)
      if (grant.row.purpose === 'email_undo') await app.emailAddresses.undo(grant, client)
      else
        await app.emailAddresses.confirm(grant, client, await sessionThatProves(request, grant, request.body.password))
      return reply.code(204).send()
    },
  })

  /**
   * The session that proves the account; undefined if the password does. On failure, returns the try of a right code.
   */
  async function sessionThatProves(
    request: FastifyRequest,
    grant: Grant,
    password?: string,
  ): Promise<string | undefined> {
    try {
      if (password === undefined) return await ownSession(request, grant)
      await app.logIn.prove(grant.user, password, clientOf(request))
      return undefined
    } catch (error) {
      await app.oneTimeTokens.giveBack(grant)
      throw error
    }
  }

  async function ownSession(request: FastifyRequest, { user }: Grant): Promise<string> {
    const caller = await request.identify()
    if (!isWhole(caller)) throw new Problem('insufficient_scope')
    if (app.revocations.isStale()) throw new Problem('revocations_stale')
    if (app.revocations.has(caller.sessionId)) throw new Problem('invalid_token')
    if (caller.userId !== user.id) throw new Problem('invalid_one_time_token')
    return caller.sessionId
  }
}

export default routes
