import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FOR_EVERYBODY, keysSchema, sendKeys } from '../src/api/discovery.js'
import { problems } from '../src/api/problem-schemas.js'
import { ref } from '../src/api/schemas.js'
import { ASSERTION_ALGORITHMS } from '../src/clients/jwks.js'
import { AUTH_METHODS } from '../src/clients/oauth-clients.js'
import { OWN_SCOPES } from '../src/clients/scopes.js'
import { hasPages } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { ALGORITHM } from '../src/tokens/signing-keys.js'

/** The methods by which a client proves who it is. */
const PROVEN_METHODS = AUTH_METHODS.filter((method) => method !== 'none')

const JwkSet = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String({ description: 'The key type.' }),
        crv: Type.String({ description: 'The curve.' }),
        x: Type.String({ description: 'A coordinate of the public point, base64url.' }),
        y: Type.String({ description: 'A coordinate of the public point, base64url.' }),
        kid: Type.String({ description: 'The id of the key: `kid` in the header of an access token.' }),
        use: Type.String({ description: 'The intended use: signatures.' }),
        alg: Type.String({ description: 'The signature algorithm.' }),
      }),
      { description: 'The keys. During a rotation, there are at least two.' },
    ),
  },
  {
    $id: 'JwkSet',
    description: 'Public keys, RFC 7517.',
    examples: [
      {
        keys: [
          {
            kty: 'EC',
            crv: 'P-256',
            x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
            y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
            kid: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
            use: 'sig',
            alg: 'ES256',
          },
        ],
      },
    ],
  },
)

const authMethods = (endpoint: string) =>
  Type.Array(Type.String(), { description: `The authentication methods of clients at the ${endpoint}.` })

const assertionAlgorithms = Type.Array(Type.String(), {
  description: 'The signature algorithms for assertions of `private_key_jwt`.',
})

const AuthorizationServerMetadata = Type.Object(
  {
    issuer: Type.String({ description: 'The issuer: the `iss` claim of every access token.' }),
    authorization_endpoint: Type.Optional(
      Type.String({ description: 'The URL of the authorization endpoint. Absent if the pages are off.' }),
    ),
    token_endpoint: Type.String({ description: 'The URL of the token endpoint.' }),
    jwks_uri: Type.String({ description: 'The URL of the keys that verify access tokens.' }),
    service_documentation: Type.Optional(Type.String({ description: 'The URL of the human-readable documentation.' })),
    grant_types_supported: Type.Array(Type.String(), {
      description: 'The grant types that the token endpoint accepts.',
    }),
    response_types_supported: Type.Array(Type.String(), {
      description: 'Only `code`; empty without an authorization endpoint.',
    }),
    code_challenge_methods_supported: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'The PKCE methods (RFC 7636). Every authorization request needs PKCE, unless the client is exempt.',
      }),
    ),
    authorization_response_iss_parameter_supported: Type.Optional(
      Type.Boolean({
        description: 'Whether the responses of the authorization endpoint contain the issuer (RFC 9207).',
      }),
    ),
    token_endpoint_auth_methods_supported: authMethods('token endpoint'),
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    introspection_endpoint: Type.String({ description: 'The URL of the introspection endpoint, RFC 7662.' }),
    introspection_endpoint_auth_methods_supported: authMethods('introspection endpoint'),
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint: Type.String({ description: 'The URL of the revocation endpoint, RFC 7009.' }),
    revocation_endpoint_auth_methods_supported: authMethods('revocation endpoint'),
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    scopes_supported: Type.Array(Type.String(), {
      description: "The scopes of Latchkey's own operations. A client may have further scopes, for other services.",
    }),
  },
  {
    $id: 'AuthorizationServerMetadata',
    description: 'Authorization server metadata, RFC 8414.',
    examples: [
      {
        issuer: 'https://login.example.com',
        token_endpoint: 'https://login.example.com/v1/token',
        jwks_uri: 'https://login.example.com/.well-known/jwks.json',
        service_documentation: 'https://login.example.com/docs',
        grant_types_supported: ['client_credentials', 'refresh_token'],
        response_types_supported: [],
        ...endpointsOf('https://login.example.com'),
        scopes_supported: ['todos:read', 'todos:write'],
      },
    ],
  },
)

/** The endpoints of this issuer, and how clients authenticate at them. */
function endpointsOf(issuer: string) {
  const methods = ['token', 'introspection', 'revocation'].map((endpoint) => [
    [`${endpoint}_endpoint_auth_methods_supported`, endpoint === 'introspection' ? PROVEN_METHODS : AUTH_METHODS],
    [`${endpoint}_endpoint_auth_signing_alg_values_supported`, ASSERTION_ALGORITHMS],
  ])
  return {
    introspection_endpoint: `${issuer}/v1/introspect`,
    revocation_endpoint: `${issuer}/v1/revoke`,
    ...(Object.fromEntries(methods.flat()) as Record<EndpointList, string[]>),
  }
}

type EndpointList =
  `${'token' | 'introspection' | 'revocation'}_endpoint_auth_${'methods' | 'signing_alg_values'}_supported`

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { PUBLIC_URL, PASSWORD_GRANT, DOCS } = app.config
  app.addSchema(JwkSet)
  app.addSchema(AuthorizationServerMetadata)

  app.get('/.well-known/jwks.json', {
    config: { public: true },
    schema: {
      operationId: 'getJwks',
      tags: ['discovery'],
      summary: 'Get the public keys of access tokens',
      description: `Returns the public keys that verify access tokens (${ALGORITHM}), including the next key before its first use.`,
      security: [],
      ...keysSchema(JwkSet),
    },
    handler: (request, reply) => sendKeys(app.keys.publicJwks(), request, reply),
  })

  const grants = [...(PASSWORD_GRANT ? ['password'] : []), 'client_credentials', 'refresh_token']
  const metadata = {
    issuer: PUBLIC_URL,
    token_endpoint: `${PUBLIC_URL}/v1/token`,
    jwks_uri: `${PUBLIC_URL}/.well-known/jwks.json`,
    ...(DOCS && { service_documentation: `${PUBLIC_URL}/docs` }),
    grant_types_supported: grants,
    response_types_supported: [],
    ...(hasPages(app.config) && authorizationMetadata(PUBLIC_URL, grants)),
    ...endpointsOf(PUBLIC_URL),
    scopes_supported: Object.keys(OWN_SCOPES),
  }

  app.get('/.well-known/oauth-authorization-server', {
    config: { public: true },
    schema: {
      operationId: 'getAuthorizationServerMetadata',
      tags: ['discovery'],
      summary: 'Get the authorization server metadata',
      description:
        'Returns the metadata of the authorization server (RFC 8414), such as the URLs of the token endpoint and ' +
        'of the public keys.',
      security: [],
      response: { 200: ref(AuthorizationServerMetadata), ...problems(431) },
    },
    handler: sendMetadata,
  })

  // RFC 8414, 3.1: for an issuer with a path, clients insert the well-known path between host and path.
  const path = publicPath(app.config)
  if (path !== '') {
    app.get(`/.well-known/oauth-authorization-server${path}`, {
      config: { public: true },
      schema: { hide: true, response: { 200: ref(AuthorizationServerMetadata) } },
      handler: sendMetadata,
    })
  }

  async function sendMetadata(_request: FastifyRequest, reply: FastifyReply) {
    reply.headers(FOR_EVERYBODY)
    return metadata
  }
}

export default routes

/** Metadata of the authorization endpoint, which exists only if there are pages. */
function authorizationMetadata(issuer: string, grants: string[]) {
  return {
    authorization_endpoint: `${issuer}/authorize`,
    grant_types_supported: [...grants, 'authorization_code'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  }
}
