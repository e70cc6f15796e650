import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { withNameKey } from '../../src/accounts/names.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { createdAt, noContent, pageOf, ref } from '../../src/api/schemas.js'
import { milliseconds, timestamp, timestampOrNull } from '../../src/api/times.js'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import type { ApiKeyRow } from '../../src/clients/api-key-lists.js'
import { SCOPE_MAX_LENGTH, SCOPE_PATTERN } from '../../src/clients/scopes.js'
import { Problem } from '../../src/problems.js'

const LONGEST_LIFE_MS = 366 * 86_400_000

const keyFields = {
  id: Type.String({ description: 'The id of the key: the `session_id` of its audit events.' }),
  name: Type.String({ description: 'A name that tells you what the key is for.' }),
  scope: Type.String({ description: 'The scopes of the key, separated by spaces.' }),
  created_at: createdAt,
  expires_at: Type.String({ format: 'date-time', description: 'Expiry, in UTC.' }),
  last_used_at: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    format: 'date-time',
    description: 'Time of the last use, to the minute, in UTC.',
  }),
}

const EXAMPLE = {
  id: '0b9cbb5e-5c0e-4a53-9c1e-0a2f1c6f7e10',
  name: 'backup',
  scope: 'todos:read',
  created_at: '2026-11-20T09:00:00.000Z',
  expires_at: '2027-01-20T09:00:00.000Z',
  last_used_at: null,
}

const ApiKey = Type.Object(keyFields, {
  $id: 'ApiKey',
  description: 'An API key, without its secret value.',
  examples: [EXAMPLE],
})

const NewApiKey = Type.Object(
  {
    ...keyFields,
    key: Type.String({
      description: 'The secret value of the key, for the Authorization header. The value is shown only once.',
    }),
  },
  {
    $id: 'NewApiKey',
    description: 'A new API key.',
    examples: [{ ...EXAMPLE, key: `lkk_${'A'.repeat(64)}` }],
  },
)

const ApiKeyCreate = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, description: 'A name that tells you what the key is for.' }),
    scope: Type.String({
      minLength: 1,
      maxLength: SCOPE_MAX_LENGTH,
      pattern: SCOPE_PATTERN,
      description: 'The scopes of the key, separated by spaces.',
    }),
    expires_at: Type.String({ format: 'date-time', description: 'Expiry of the key, at most a year from now.' }),
  },
  {
    $id: 'ApiKeyCreate',
    additionalProperties: false,
    description: 'An API key to create.',
    examples: [{ name: 'backup', scope: 'todos:read', expires_at: '2027-01-20T09:00:00.000Z' }],
  },
)

const ApiKeyList = Type.Object(
  { items: pageOf(ApiKey) },
  { $id: 'ApiKeyList', description: 'Your API keys, newest first.', examples: [{ items: [EXAMPLE] }] },
)

const KeyParams = Type.Object({ id: Type.String({ maxLength: 64, description: 'The id of the key.' }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [ApiKey, NewApiKey, ApiKeyCreate, ApiKeyList]) app.addSchema(schema)

  app.get('/v1/me/api-keys', {
    schema: {
      operationId: 'listApiKeys',
      tags: ['me'],
      summary: 'List your API keys',
      description:
        'Returns your valid API keys, newest first. The secret values are not stored: you recognize a key by its ' +
        'name.',
      response: { 200: ref(ApiKeyList), ...problems(400, 401) },
    },
    handler: async ({ user }) => ({ items: (await app.apiKeys.list(user.userId)).map(toApiKey) }),
  })

  app.post('/v1/me/api-keys', {
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'createApiKey',
      tags: ['me'],
      summary: 'Create an API key',
      description:
        'Creates an API key for your scripts: a bearer token with the permissions of its scopes, limited to your ' +
        'own permissions. The key is revoked when your account is disabled, deleted or demoted, or when your ' +
        'password is reset.',
      body: ref(ApiKeyCreate),
      response: {
        201: { description: 'The key.', content: { 'application/json': { schema: ref(NewApiKey) } } },
        ...problems(400, 401, 403, 413, 415, 429),
        409: problemAnswer(409, 'too_many_rows'),
      },
    },
    handler: async (request, reply) => {
      const { scope, expires_at } = request.body
      const { name } = withNameKey(request.body.name)
      const expiresAt = expiryFrom(expires_at)
      const { key, row } = await app.apiKeys.create(
        { ...actorOf(request), role: request.user.role },
        { name, scope, expiresAt },
      )
      return reply.code(201).send({ ...toApiKey(row), key })
    },
  })

  app.delete('/v1/me/api-keys/:id', {
    schema: {
      operationId: 'revokeApiKey',
      tags: ['me'],
      summary: 'Revoke an API key',
      description: 'Revokes one of your API keys. The key stops working within a second.',
      params: KeyParams,
      response: { 204: noContent('Revoked.'), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      const { userId } = request.user
      const by = { actorId: userId, client: clientOf(request) }
      if (!(await app.apiKeys.revoke(userId, request.params.id, by))) throw new Problem('not_found')
      return reply.code(204).send()
    },
  })
}

export default routes

function expiryFrom(text: string): number {
  const expiresAt = milliseconds(text, { in: 'body', path: '/expires_at' })
  const left = expiresAt - Date.now()
  if (left <= 0 || left > LONGEST_LIFE_MS) {
    throw new Problem('key_rejected', { detail: 'expires_at must be in the future, and within a year.' })
  }
  return expiresAt
}

function toApiKey(row: ApiKeyRow): Static<typeof ApiKey> {
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    created_at: timestamp(row.createdAt),
    expires_at: timestamp(row.expiresAt),
    last_used_at: timestampOrNull(row.lastUsedAt),
  }
}
