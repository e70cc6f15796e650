import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { TOKEN_MAX_LENGTH } from '../../src/api/account-schemas.js'
import { answerOAuthError, clientFields, oauthErrors, parseForm } from '../../src/api/oauth-answers.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { endOfTick } from '../../src/event-loop.js'
import { OAuthError } from '../../src/oauth-error.js'
import { clientRequests } from '../../src/telemetry/channels.js'

const NEEDS_PROOF = 'Introspection needs a client with a secret or a key; this client is public.'

const TokenForm = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: TOKEN_MAX_LENGTH, description: 'The token.' }),
    token_type_hint: Type.Optional(
      Type.String({ maxLength: 64, description: 'Ignored: the format of a token shows its type.', examples: [''] }),
    ),
    ...clientFields,
  },
  {
    $id: 'TokenForm',
    // Unknown parameters are allowed, as in TokenRequest: RFC 6749 section 3.2.
    description: 'A token, and the credentials of the client: RFC 7662 section 2.1 and RFC 7009 section 2.1.',
    examples: [{ token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl' }],
  },
)

const IntrospectionAnswer = Type.Object(
  {
    active: Type.Boolean({
      description: 'Whether the token is valid and visible to this client. If false, the response has no other field.',
    }),
    iss: Type.Optional(Type.String({ description: 'The issuer of the token.' })),
    aud: Type.Optional(Type.String({ description: 'The audience of the token.' })),
    sub: Type.Optional(
      Type.String({ description: 'The id of the user, or of the client if it acts on its own behalf.' }),
    ),
    client_id: Type.Optional(Type.String({ description: 'The client that the token was issued to.' })),
    scope: Type.Optional(Type.String({ description: 'The scopes of the token, separated by spaces.' })),
    roles: Type.Optional(
      Type.Array(Type.String(), { description: 'The roles of the user, if the token has this claim.' }),
    ),
    token_type: Type.Optional(
      Type.String({ description: '`Bearer`, for tokens that are sent in the Authorization header.' }),
    ),
    jti: Type.Optional(Type.String({ description: 'The id of the access token.' })),
    iat: Type.Optional(Type.Integer({ description: 'Time of issue, in seconds since 1970.' })),
    exp: Type.Optional(Type.Integer({ description: 'Expiry, in seconds since 1970.' })),
  },
  {
    $id: 'IntrospectionAnswer',
    description: 'The state of a token, RFC 7662 section 2.2.',
    examples: [{ active: false }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(TokenForm)
  app.addSchema(IntrospectionAnswer)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: parseForm })

  app.post('/v1/introspect', {
    config: { public: true },
    errorHandler: answerOAuthError,
    schema: {
      operationId: 'introspectToken',
      tags: ['auth'],
      summary: 'Check whether a token is valid',
      description:
        'Returns the state of a token (RFC 7662) to an authenticated client: a token that was issued to the ' +
        'client, or whose audience is one of its `resources`. For any other token, and for an expired or revoked ' +
        'token, the response is `{"active": false}`. Revocations take effect within a second.',
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenForm),
      response: { 200: ref(IntrospectionAnswer), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
    },
    handler: async (request): Promise<Static<typeof IntrospectionAnswer>> => {
      const client = await app.oauth.requireClient(request)
      // Everybody knows the client_id of a public client (RFC 7662 section 2.1).
      if (client.authMethod === 'none') throw new OAuthError('invalid_client', NEEDS_PROOF, { status: 401 })
      clientRequests.publish({ client: client.id, request: 'introspection' })
      const token = await app.introspection.inspect(client, request.body.token)
      await endOfTick()
      return { active: token !== undefined, ...token }
    },
  })

  app.post('/v1/revoke', {
    config: { public: true },
    errorHandler: answerOAuthError,
    schema: {
      operationId: 'revokeToken',
      tags: ['auth'],
      summary: 'Revoke a token',
      description:
        'Revokes a token that was issued to the authenticated client (RFC 7009), together with its session if it ' +
        'has one. An unknown, expired or revoked token is not an error. A token of another client gets 400 ' +
        '`invalid_grant`.',
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenForm),
      response: { 200: noContent('The token is no longer valid.'), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
    },
    handler: async (request, reply) => {
      const client = await app.oauth.requireClient(request)
      clientRequests.publish({ client: client.id, request: 'revocation' })
      await app.tokenRevocations.revoke(client, request.body.token, clientOf(request))
      return reply.code(200).send()
    },
  })
}

export default routes
