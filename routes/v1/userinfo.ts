import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { Problem } from '../../src/problems.js'

const UserInfo = Type.Object(
  {
    sub: Type.String({ description: 'The id of the account: the `sub` claim of its tokens.' }),
    name: Type.Optional(Type.String({ description: 'Display name. Requires the scope `profile`.' })),
    preferred_username: Type.Optional(Type.String({ description: 'User name. Requires the scope `profile`.' })),
    locale: Type.Optional(Type.String({ description: 'Language, as a BCP 47 tag. Requires the scope `profile`.' })),
    email: Type.Optional(Type.String({ description: 'E-mail address. Requires the scope `email`.' })),
    email_verified: Type.Optional(
      Type.Boolean({ description: 'Whether the e-mail address was confirmed. Requires the scope `email`.' }),
    ),
    roles: Type.Optional(
      Type.Array(Type.String(), { description: 'Roles in your own services. Requires the scope `roles`.' }),
    ),
  },
  {
    $id: 'UserInfo',
    description: 'Claims about the user: OpenID Connect Core, section 5.1. Claims without a value are absent.',
    examples: [{ sub: '7', name: 'Mina', preferred_username: 'mina', email: 'mina@example.com', email_verified: true }],
  },
)

const described = {
  tags: ['me'],
  description:
    'Returns the claims about the user that the scopes of the access token allow: OpenID Connect Core, section ' +
    '5.3. The token needs the scope `openid`.',
  response: { 200: ref(UserInfo), ...problems(400, 401, 403) },
}

/** The UserInfo endpoint. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(UserInfo)
  // Clients may post an empty form, and some post no body.
  await app.register(formbody)

  app.get('/v1/userinfo', {
    config: { scope: 'openid' },
    schema: { operationId: 'getUserInfo', summary: 'Get the claims about the user', ...described },
    handler: read,
  })

  app.post('/v1/userinfo', {
    config: { scope: 'openid' },
    schema: {
      operationId: 'postUserInfo',
      summary: 'Get the claims about the user (by POST)',
      ...described,
      response: { ...described.response, ...problems(400, 401, 403, 413, 415) },
    },
    handler: read,
  })

  async function read({ user: { userId, clientId, scopes } }: FastifyRequest) {
    const held = scopes && app.knownClients.heldBy(clientId, scopes)
    const claims = await app.userClaims.read(userId, held?.join(' '))
    if (claims === undefined) throw new Problem('invalid_token')
    return claims
  }
}

export default routes
