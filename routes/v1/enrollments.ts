import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { Confirmed, Enrolled } from '../../src/accounts/enrollments.js'
import { TICKET_MAX_LENGTH } from '../../src/accounts/login-tickets.js'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { factorName, nameIn, RECOVERY_CODES_ARE, TotpSecret } from '../../src/api/factor-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { type Client, clientOf } from '../../src/audit/requester.js'
import { CreatedPasskey, PasskeyCreationOptions } from '../../src/factors/passkey-schemas.js'
import { qrCode } from '../../src/factors/qr-codes.js'
import { serviceName } from '../../src/mail/composer.js'
import { languageOf } from '../../src/pages/languages.js'
import { Problem } from '../../src/problems.js'

const ticket = Type.String({
  minLength: 1,
  maxLength: TICKET_MAX_LENGTH,
  description: 'The ticket from `mfa_enrollment_required`.',
})
const TICKET_EXAMPLE = { ticket: 'c2VhbGVk' }

const EnrollmentTicket = Type.Object(
  { ticket },
  { $id: 'EnrollmentTicket', additionalProperties: false, description: 'The ticket.', examples: [TICKET_EXAMPLE] },
)

const EnrollmentConfirmation = Type.Object(
  {
    ticket,
    code: Type.Optional(Type.String({ minLength: 1, maxLength: 32, description: 'The code from the mail.' })),
    token: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'A token from an operator, instead of `code`.',
      }),
    ),
  },
  {
    $id: 'EnrollmentConfirmation',
    additionalProperties: false,
    description: 'The ticket, and a code or a token that confirms your identity.',
    examples: [{ ...TICKET_EXAMPLE, code: '7K3M-Q9TX' }],
  },
)

const ConfirmedEnrollment = Type.Object(
  { ticket: Type.String({ description: 'A new ticket, with which a second factor can be added.' }) },
  { $id: 'ConfirmedEnrollment', description: 'A confirmed ticket.', examples: [TICKET_EXAMPLE] },
)

const EnrollmentTotp = Type.Object(
  { ticket, name: Type.Optional(factorName) },
  {
    $id: 'EnrollmentTotp',
    additionalProperties: false,
    description: 'The ticket, and a name for the new factor.',
    examples: [{ ...TICKET_EXAMPLE, name: 'phone' }],
  },
)

const EnrollmentCode = Type.Object(
  { ticket, code: Type.String({ minLength: 6, maxLength: 32, description: 'The six-digit code that the app shows.' }) },
  {
    $id: 'EnrollmentCode',
    additionalProperties: false,
    description: 'The ticket, and the first code from the authenticator app.',
    examples: [{ ...TICKET_EXAMPLE, code: '755224' }],
  },
)

const EnrollmentPasskey = Type.Object(
  { ticket, name: Type.Optional(factorName), passkey: ref(CreatedPasskey) },
  {
    $id: 'EnrollmentPasskey',
    additionalProperties: false,
    description: 'The ticket, and a passkey that a browser has created.',
    examples: [{ ...TICKET_EXAMPLE, name: 'laptop', passkey: CreatedPasskey.examples[0] }],
  },
)

const EnrolledLogin = Type.Object(
  { ...Login.properties, recovery_codes: Type.Array(Type.String(), { description: RECOVERY_CODES_ARE }) },
  {
    $id: 'EnrolledLogin',
    description: 'The account, its tokens and its recovery codes.',
    examples: [{ ...Login.examples[0], recovery_codes: ['7K2QW-M4ZX9'] }],
  },
)

const SCHEMAS = [
  EnrollmentTicket,
  EnrollmentConfirmation,
  ConfirmedEnrollment,
  EnrollmentTotp,
  EnrollmentCode,
  EnrollmentPasskey,
  EnrolledLogin,
  TotpSecret,
  CreatedPasskey,
  PasskeyCreationOptions,
]
const IN_A_LOG_IN = 'Applies to an account that has no second factor but needs one (setting MFA).'

/** Adds the first second factor in the middle of a log-in, with the ticket of `mfa_enrollment_required`. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of SCHEMAS) app.addSchema(schema)
  const issuer = serviceName(app.config)

  app.post('/v1/login/enroll/code/request', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'requestEnrollmentCode',
      tags: ['auth'],
      summary: 'Request a code to add the first second factor',
      description: `Mails a code to the confirmed address of the account if \`confirmation\` is \`email\`. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentTicket),
      response: {
        202: noContent('A mail will be sent, unless the limit of mails is exceeded.'),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'mail_disabled'),
      },
    },
    handler: async (request, reply) => {
      const asked = { client: clientOf(request), locale: languageOf(request.headers) }
      await app.enrollments.sendCode(request.body.ticket, asked)
      return reply.code(202).send()
    },
  })

  app.post('/v1/login/enroll/code', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'confirmEnrollment',
      tags: ['auth'],
      summary: 'Confirm your identity before adding a second factor',
      description: `Confirms the log-in with the code from the mail, or with the token of \`latchkey users enroll-link\`. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentConfirmation),
      response: { 200: ref(ConfirmedEnrollment), ...problems(400, 413, 415, 429) },
    },
    handler: async (request) => {
      const { ticket, ...shown } = request.body
      return { ticket: await app.enrollments.confirm(ticket, confirmedBy(shown), clientOf(request)) }
    },
  })

  app.post('/v1/login/enroll/totp', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'enrollTotp',
      tags: ['auth'],
      summary: 'Begin to add a TOTP factor in a log-in',
      description: `Creates a TOTP secret, to be confirmed with \`completeTotpEnrollment\`. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentTotp),
      response: {
        201: { description: 'The secret.', content: { 'application/json': { schema: ref(TotpSecret) } } },
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'enrollment_unconfirmed'),
      },
    },
    handler: async (request, reply) => {
      const factor = { name: nameIn(request.body), issuer }
      const begun = await app.enrollments.begin(request.body.ticket, factor, clientOf(request))
      return reply.code(201).send({ ...begun, qr: await qrCode(begun.uri) })
    },
  })

  app.post('/v1/login/enroll/totp/confirm', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'completeTotpEnrollment',
      tags: ['auth'],
      summary: 'Complete a log-in with a new TOTP factor',
      description: `Adds the factor, ends all other sessions of the account and starts a session. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentCode),
      response: {
        200: ref(EnrolledLogin),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'wrong_code'),
      },
    },
    handler: async (request) => {
      const { ticket, code } = request.body
      const client = clientOf(request)
      return logIn(await app.enrollments.complete(ticket, code, client), client)
    },
  })

  app.post('/v1/login/enroll/passkey/options', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'beginPasskeyEnrollment',
      tags: ['auth'],
      summary: 'Begin to add a passkey in a log-in',
      description: `Returns the options with which a browser creates a passkey, as \`beginPasskey\` does. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentTicket),
      response: {
        200: ref(PasskeyCreationOptions),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'enrollment_unconfirmed'),
        409: problemAnswer(409, 'passkeys_unavailable'),
      },
    },
    handler: (request) => app.enrollments.passkeyOptions(request.body.ticket, issuer, clientOf(request)),
  })

  app.post('/v1/login/enroll/passkey', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'completePasskeyEnrollment',
      tags: ['auth'],
      summary: 'Complete a log-in with a new passkey',
      description: `Adds the passkey, ends all other sessions of the account and starts a session. ${IN_A_LOG_IN}`,
      security: [],
      body: ref(EnrollmentPasskey),
      response: {
        200: ref(EnrolledLogin),
        ...problems(400, 413, 415, 429),
        403: problemAnswer(403, 'passkey_rejected'),
        409: problemAnswer(409, 'passkeys_unavailable'),
      },
    },
    handler: async (request) => {
      const { ticket, passkey: response, ...named } = request.body
      const client = clientOf(request)
      return logIn(await app.enrollments.completeWithPasskey(ticket, { name: nameIn(named), response }, client), client)
    },
  })

  async function logIn({ user, recoveryCodes }: Enrolled, client: Client) {
    return { ...toLogin(user, await app.sessions.issue(user, client)), recovery_codes: recoveryCodes }
  }
}

export default routes

/** The code or the token. @throws Problem validation_failed if neither or both are given */
function confirmedBy({ code, token }: { code?: string; token?: string }): Confirmed {
  if (code !== undefined && token === undefined) return { code }
  if (token !== undefined && code === undefined) return { token }
  const message = code === undefined ? 'is required, unless token is given' : 'must not be given beside token'
  throw new Problem('validation_failed', { errors: [{ in: 'body', path: '/code', message }] })
}
