import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import {
  factorName as name,
  nameIn,
  RECOVERY_CODES_ARE,
  TotpSecret,
  withoutBody,
} from '../../src/api/factor-schemas.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { createdAt, noContent, nullable, oneOf, ref } from '../../src/api/schemas.js'
import { timestamp, timestampOrNull } from '../../src/api/times.js'
import { actorOf } from '../../src/audit/actors.js'
import type { Factor as FactorRow } from '../../src/factors/factors.js'
import { qrCode } from '../../src/factors/qr-codes.js'
import { serviceName } from '../../src/mail/composer.js'
import { Problem } from '../../src/problems.js'

const Factor = Type.Object(
  {
    id: Type.String({ description: 'The id of the factor.' }),
    type: oneOf(['totp', 'passkey'], {
      description: 'The type of factor: `totp` for an authenticator app, or `passkey`.',
    }),
    name,
    created_at: createdAt,
    last_used_at: nullable({ format: 'date-time', description: 'Time of the last log-in with the factor, in UTC.' }),
  },
  {
    $id: 'Factor',
    description: 'A second factor.',
    examples: [
      {
        id: '0b6f1d0e-6f3c-4c1a-9d55-5d1f3a2b7c10',
        type: 'totp',
        name: 'phone',
        created_at: '2026-11-20T09:00:00.000Z',
        last_used_at: null,
      },
    ],
  },
)

const FactorList = Type.Object(
  {
    items: Type.Array(ref(Factor), { description: 'The factors, oldest first.' }),
    recovery_codes_left: Type.Integer({ description: 'The number of unused recovery codes.' }),
  },
  {
    $id: 'FactorList',
    description: 'The second factors of an account.',
    examples: [{ items: Factor.examples, recovery_codes_left: 10 }],
  },
)

const NewTotp = Type.Object(
  { name: Type.Optional(name) },
  {
    $id: 'NewTotp',
    additionalProperties: false,
    description: 'A name for the new factor.',
    examples: [{ name: 'phone' }],
  },
)

const TotpCode = Type.Object(
  { code: Type.String({ minLength: 6, maxLength: 32, description: 'The six-digit code that the app shows.' }) },
  {
    $id: 'TotpCode',
    additionalProperties: false,
    description: 'The first code from the authenticator app.',
    examples: [{ code: '755224' }],
  },
)

const RecoveryCodes = Type.Object(
  {
    recovery_codes: Type.Array(Type.String(), { description: RECOVERY_CODES_ARE }),
  },
  { $id: 'RecoveryCodes', description: 'New recovery codes.', examples: [{ recovery_codes: ['7K2QW-M4ZX9'] }] },
)

const FactorUpdate = Type.Object(
  { name },
  {
    $id: 'FactorUpdate',
    additionalProperties: false,
    description: 'A new name for the factor.',
    examples: [{ name: 'old phone' }],
  },
)

const params = Type.Object({ id: Type.String({ maxLength: 64, description: 'The id of the factor.' }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [Factor, FactorList, NewTotp, TotpSecret, TotpCode, RecoveryCodes, FactorUpdate])
    app.addSchema(schema)
  const issuer = serviceName(app.config)

  app.get('/v1/me/factors', {
    schema: {
      operationId: 'listFactors',
      tags: ['me'],
      summary: 'List my second factors',
      description: 'Returns the second factors of your account and the number of unused recovery codes.',
      response: { 200: ref(FactorList), ...problems(400, 401) },
    },
    handler: async ({ user: { userId } }) => ({
      items: (await app.factors.list(userId)).map(toFactor),
      recovery_codes_left: await app.factors.recoveryCodesLeft(userId),
    }),
  })

  app.post('/v1/me/totp', {
    preValidation: withoutBody,
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'beginTotp',
      tags: ['me'],
      summary: 'Begin to add a TOTP factor',
      description:
        'Creates a secret for an authenticator app (RFC 6238). An earlier secret that was not confirmed is ' +
        'discarded. The factor is valid once `confirmTotp` has received its first code.',
      body: ref(NewTotp),
      response: {
        201: {
          description: 'The secret of the new factor.',
          content: { 'application/json': { schema: ref(TotpSecret) } },
        },
        ...problems(400, 401, 413, 415, 429),
        409: problemAnswer(409, 'too_many_factors'),
      },
    },
    handler: async (request, reply) => {
      const begun = await app.secondFactors.begin(actorOf(request), { name: nameIn(request.body), issuer })
      return reply.code(201).send({ ...begun, qr: await qrCode(begun.uri) })
    },
  })

  app.post('/v1/me/totp/confirm', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'confirmTotp',
      tags: ['me'],
      summary: 'Confirm a TOTP factor',
      description:
        'Confirms the factor with the first code of its secret. The first factor of an account ends all other ' +
        'sessions and returns recovery codes. A further factor returns recovery codes only if none are left.',
      body: ref(TotpCode),
      response: {
        200: ref(RecoveryCodes),
        ...problems(400, 401, 413, 415, 429),
        403: problemAnswer(403, 'wrong_code'),
      },
    },
    handler: async (request) => ({
      recovery_codes: await app.secondFactors.confirm(actorOf(request), request.body.code),
    }),
  })

  app.patch('/v1/me/factors/:id', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'updateFactor',
      tags: ['me'],
      summary: 'Rename a second factor',
      description: 'Changes the name of the factor.',
      params,
      body: ref(FactorUpdate),
      response: { 204: noContent('Renamed.'), ...problems(400, 401, 404, 413, 415, 429) },
    },
    handler: async ({ user, params, body }, reply) => {
      if (!(await app.factors.rename(user.userId, params.id, nameIn(body)))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })

  app.delete('/v1/me/factors/:id', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'deleteFactor',
      tags: ['me'],
      summary: 'Remove a second factor',
      description:
        'Removes the factor. Removing the last factor also removes the recovery codes. If the setting MFA ' +
        'requires a second factor, the last factor cannot be removed (409).',
      params,
      response: {
        204: noContent('Removed.'),
        ...problems(400, 401, 404, 413, 415, 429),
        409: problemAnswer(409, 'last_factor'),
      },
    },
    handler: async (request, reply) => {
      await app.secondFactors.remove(actorOf(request), request.params.id)
      return reply.code(204).send()
    },
  })

  app.post('/v1/me/recovery-codes', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'replaceRecoveryCodes',
      tags: ['me'],
      summary: 'Create new recovery codes',
      description: 'Creates ten new recovery codes. All earlier recovery codes stop working.',
      response: {
        200: ref(RecoveryCodes),
        ...problems(400, 401, 413, 415, 429),
        409: problemAnswer(409, 'no_factor'),
      },
    },
    handler: async (request) => ({ recovery_codes: await app.secondFactors.replaceRecoveryCodes(actorOf(request)) }),
  })
}

export default routes

function toFactor(row: FactorRow): Static<typeof Factor> {
  return {
    id: row.id,
    type: row.kind,
    name: row.name,
    created_at: timestamp(row.createdAt),
    last_used_at: timestampOrNull(row.lastUsedAt),
  }
}
