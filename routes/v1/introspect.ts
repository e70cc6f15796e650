import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { TOKEN_MAX_LENGTH } from '../../src/api/account-schemas.js'
import { answerOAuthError, clientFields, oauthErrors, parseForm } from '../../src/api/oauth-answers.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { clientOf } from '../../src/audit/requester.js'
import { endOfTick } from '../../src/event-loop.js'
import { clientRequests } from '../../src/telemetry/channels.js'

const TokenForm = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: TOKEN_MAX_LENGTH, description: 'The token.' }),
    token_type_hint: Type.Optional(
      Type.String({ maxLength: 64, description: 'Not needed: a token says by its form what it is.', examples: [''] }),
    ),
    ...clientFields,
  },
  {
    $id: 'TokenForm',
    // Unknown parameters are allowed, as in TokenRequest: RFC 6749 section 3.2.
    description: 'A token, and the client that asks: RFC 7662 section 2.1 and RFC 7009 section 2.1.',
    examples: [{ token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl' }],
  },
)

const IntrospectionAnswer = Type.Object(
  {
    active: Type.Boolean({ description: 'Whether the token counts, for this client. Alone where it does not.' }),
    iss: Type.Optional(Type.String({ description: 'Who issued it.' })),
    aud: Type.Optional(Type.String({ description: 'Whom it is for.' })),
    sub: Type.Optional(Type.String({ description: 'The id of the user, or of a client that acts for itself.' })),
    client_id: Type.Optional(Type.String({ description: 'The client that it was issued to.' })),
    scope: Type.Optional(Type.String({ description: 'What it may be used for.' })),
    roles: Type.Optional(Type.Array(Type.String(), { description: 'The roles of its user, where it has the claim.' })),
    token_type: Type.Optional(Type.String({ description: '`Bearer`, of what goes into the Authorization header.' })),
    jti: Type.Optional(Type.String({ description: "An access token's own id." })),
    iat: Type.Optional(Type.Integer({ description: 'When it was issued, in seconds since 1970.' })),
    exp: Type.Optional(Type.Integer({ description: 'When it expires, in seconds since 1970.' })),
  },
  {
    $id: 'IntrospectionAnswer',
    description: 'What is known of a token: RFC 7662 section 2.2.',
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
      summary: 'Ask whether a token counts',
      description:
        'RFC 7662, for clients: of a token that was issued to the client, or is for one of its `resources`. Everything else, ' +
        'and whatever has ended, is `{"active": false}`. Revocations count within a second.',
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenForm),
      response: { 200: ref(IntrospectionAnswer), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
    },
    handler: async (request): Promise<Static<typeof IntrospectionAnswer>> => {
      const client = await app.oauth.requireClient(request)
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
        'RFC 7009, for clients: ends the session of a token that was issued to the client, or a token without a session. What ' +
        'is unknown, or over already, is no error.',
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenForm),
      response: { 200: noContent('The token is over.'), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
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
