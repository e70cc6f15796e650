import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'
import { Problem } from '../../src/problems.js'

const UserInfo = Type.Object(
  {
    sub: Type.String({ description: "The account's id, as `sub` of every token." }),
    name: Type.Optional(Type.String({ description: 'Display name; scope `profile`, as the next two.' })),
    preferred_username: Type.Optional(Type.String({ description: 'User name.' })),
    locale: Type.Optional(Type.String({ description: 'Language, a BCP 47 tag.' })),
    email: Type.Optional(Type.String({ description: 'E-mail address; scope `email`, as the next.' })),
    email_verified: Type.Optional(Type.Boolean({ description: 'Whether the address was proved.' })),
    roles: Type.Optional(Type.Array(Type.String(), { description: 'For your own services; scope `roles`.' })),
  },
  {
    $id: 'UserInfo',
    description: 'OpenID Connect Core, section 5.1. What the account does not have is absent.',
    examples: [{ sub: '7', name: 'Mina', preferred_username: 'mina', email: 'mina@example.com', email_verified: true }],
  },
)

const described = {
  tags: ['me'],
  description:
    'OpenID Connect Core, section 5.3: what the scope of the access token shows of its user. The token needs the scope `openid`.',
  response: { 200: ref(UserInfo), ...problems(400, 401, 403) },
}

/** The UserInfo endpoint. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(UserInfo)
  // Clients may post an empty form, and some post no body.
  await app.register(formbody)

  app.get('/v1/userinfo', {
    config: { scope: 'openid' },
    schema: { operationId: 'getUserInfo', summary: 'Who logged in', ...described },
    handler: read,
  })

  app.post('/v1/userinfo', {
    config: { scope: 'openid' },
    schema: {
      operationId: 'postUserInfo',
      summary: 'Who logged in (by POST)',
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
