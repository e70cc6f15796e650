import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { TICKET_MAX_LENGTH } from '../../src/accounts/login-tickets.js'
import { Login, toLogin } from '../../src/api/account-schemas.js'
import { factorName, nameIn, withoutBody } from '../../src/api/factor-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import {
  CreatedPasskey,
  PasskeyCreationOptions,
  PasskeyRequestOptions,
  ShownPasskey,
} from '../../src/factors/passkey-schemas.js'
import { serviceName } from '../../src/mail/composer.js'

const NewPasskey = Type.Object(
  { name: Type.Optional(factorName), passkey: ref(CreatedPasskey) },
  {
    $id: 'NewPasskey',
    additionalProperties: false,
    description: 'A passkey that a browser has created, and a name for it.',
    examples: [{ name: 'laptop', passkey: CreatedPasskey.examples[0] }],
  },
)

const AddedPasskey = Type.Object(
  {
    id: Type.String({ description: 'The id of the factor.' }),
    recovery_codes: Type.Array(Type.String(), {
      description:
        'Recovery codes in case the device is lost, if the account had none. The codes are shown only in this ' +
        'response.',
    }),
  },
  {
    $id: 'AddedPasskey',
    description: 'A new passkey.',
    examples: [{ id: '0b6f1d0e-6f3c-4c1a-9d55-5d1f3a2b7c10', recovery_codes: ['7K2QW-M4ZX9'] }],
  },
)

const PasskeyQuestion = Type.Object(
  {
    ticket: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: TICKET_MAX_LENGTH,
        description: 'The ticket of a log-in, to ask only for passkeys of its account.',
      }),
    ),
  },
  {
    $id: 'PasskeyQuestion',
    additionalProperties: false,
    description: 'The log-in whose passkeys to ask for.',
    examples: [{}],
  },
)

const PasskeyLogin = Type.Object(
  { passkey: ref(ShownPasskey) },
  {
    $id: 'PasskeyLogin',
    additionalProperties: false,
    description: 'The response of a passkey.',
    examples: [{ passkey: ShownPasskey.examples[0] }],
  },
)

const SCHEMAS = [
  CreatedPasskey,
  ShownPasskey,
  PasskeyCreationOptions,
  PasskeyRequestOptions,
  NewPasskey,
  AddedPasskey,
  PasskeyQuestion,
  PasskeyLogin,
]

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of SCHEMAS) app.addSchema(schema)

  app.post('/v1/me/passkeys/options', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'beginPasskey',
      tags: ['me'],
      summary: 'Begin to add a passkey',
      description: 'Returns the options with which a browser creates a passkey. No body is needed.',
      response: {
        200: ref(PasskeyCreationOptions),
        ...problems(400, 401, 413, 415, 429),
        409: problemAnswer(409, 'passkeys_unavailable'),
      },
    },
    handler: (request) => app.secondFactors.passkeyOptions(actorOf(request), serviceName(app.config)),
  })

  app.post('/v1/me/passkeys', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'addPasskey',
      tags: ['me'],
      summary: 'Add a passkey',
      description:
        'Adds the passkey that the browser created with the options of `beginPasskey`. The first factor of an ' +
        'account ends all other sessions and returns recovery codes.',
      body: ref(NewPasskey),
      response: {
        201: { description: 'Added.', content: { 'application/json': { schema: ref(AddedPasskey) } } },
        ...problems(400, 401, 413, 415, 429),
        403: problemAnswer(403, 'passkey_rejected'),
        409: problemAnswer(409, 'too_many_factors'),
      },
    },
    handler: async (request, reply) => {
      const response = request.body.passkey
      const added = await app.secondFactors.addPasskey(actorOf(request), { name: nameIn(request.body), response })
      return reply.code(201).send({ id: added.id, recovery_codes: added.recoveryCodes })
    },
  })

  app.post('/v1/login/passkey/options', {
    preValidation: withoutBody,
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'askForPasskey',
      tags: ['auth'],
      summary: 'Ask for a passkey',
      description:
        'Returns the options with which a browser asks for a passkey, for `loginWithPasskey`, `completeLogin` or ' +
        '`reauthenticate`. The body is optional: with the ticket of a log-in, the browser asks only for passkeys ' +
        'of that account.',
      security: [],
      body: ref(PasskeyQuestion),
      response: {
        200: ref(PasskeyRequestOptions),
        ...problems(400, 413, 415, 429),
        409: problemAnswer(409, 'passkeys_unavailable'),
      },
    },
    handler: (request) => app.passkeyLogIn.options(request.body.ticket),
  })

  app.post('/v1/login/passkey', {
    config: { public: true, rateLimit: 'network' },
    schema: {
      operationId: 'loginWithPasskey',
      tags: ['auth'],
      summary: 'Log in with a passkey',
      description:
        'Starts a session without a user name and a password. The passkey identifies the account and is accepted ' +
        'as two factors.',
      security: [],
      body: ref(PasskeyLogin),
      response: {
        200: ref(Login),
        ...problems(400, 413, 415, 429),
        401: problemAnswer(401, 'invalid_credentials'),
        403: problemAnswer(403, 'passkey_rejected'),
        409: problemAnswer(409, 'passkeys_unavailable'),
      },
    },
    handler: async (request) => {
      const client = clientOf(request)
      const user = await app.passkeyLogIn.authenticate(request.body.passkey, client)
      return toLogin(user, await app.sessions.issue(user, client))
    },
  })
}

export default routes
