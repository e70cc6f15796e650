import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FOR_EVERYBODY, keysSchema, sendKeys } from '../src/api/discovery.js'
import { problems } from '../src/api/problem-schemas.js'
import { ref } from '../src/api/schemas.js'
import { ASSERTION_ALGORITHMS } from '../src/clients/jwks.js'
import { AUTH_METHODS, GRANT_TYPES } from '../src/clients/oauth-clients.js'
import { OWN_SCOPES } from '../src/clients/scopes.js'
import { hasPages } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { LOCALES } from '../src/mail/purposes.js'
import { PROMPTS } from '../src/oauth/interaction.js'
import { Problem } from '../src/problems.js'
import { ID_TOKEN_ALGORITHMS } from '../src/tokens/id-token-keys.js'

const text = (description: string) => Type.String({ description })
const texts = (description: string) => Type.Array(Type.String(), { description })
const flag = (description: string) => Type.Boolean({ description })

const OpenIdConfiguration = Type.Object(
  {
    issuer: text('The issuer: the `iss` claim of every id_token.'),
    authorization_endpoint: text('The URL of the authorization endpoint, where users log in.'),
    token_endpoint: text('The URL of the token endpoint.'),
    userinfo_endpoint: text('The URL of the UserInfo endpoint.'),
    end_session_endpoint: text('The URL to which a client sends the browser for a log-out (RP-Initiated Logout).'),
    jwks_uri: text('The URL of the keys that verify id_tokens. Access tokens have other keys.'),
    revocation_endpoint: text('The URL of the revocation endpoint, RFC 7009.'),
    introspection_endpoint: text('The URL of the introspection endpoint, RFC 7662.'),
    scopes_supported: texts(
      "The scopes of Latchkey's own operations. A client may have further scopes, for other services.",
    ),
    response_types_supported: texts('Only `code`, the authorization code flow.'),
    response_modes_supported: texts('Only `query`: the response is in the query of the redirect URI.'),
    grant_types_supported: texts('The grant types that clients can use.'),
    prompt_values_supported: texts('The supported values of `prompt`.'),
    ui_locales_supported: texts('The languages of the pages.'),
    subject_types_supported: texts('Only `public`: `sub` is the same for all clients.'),
    id_token_signing_alg_values_supported: texts(
      'The signature algorithms of id_tokens. Each client is registered for one algorithm.',
    ),
    token_endpoint_auth_methods_supported: texts('The authentication methods of clients at the token endpoint.'),
    token_endpoint_auth_signing_alg_values_supported: texts(
      'The signature algorithms for assertions of `private_key_jwt`.',
    ),
    claims_supported: texts('The claims that id_tokens and the UserInfo endpoint can contain.'),
    claim_types_supported: texts('Only `normal`: aggregated and distributed claims are not supported.'),
    code_challenge_methods_supported: texts(
      'The PKCE methods (RFC 7636). Every authorization request needs PKCE, unless the client is exempt.',
    ),
    claims_parameter_supported: flag('Always false: the parameter `claims` is not supported.'),
    request_parameter_supported: flag('Always false: request objects are not supported.'),
    request_uri_parameter_supported: flag('Always false: request objects are not supported.'),
    authorization_response_iss_parameter_supported: flag(
      'Whether the responses of the authorization endpoint contain the issuer (RFC 9207).',
    ),
  },
  { $id: 'OpenIdConfiguration', description: 'Provider metadata: OpenID Connect Discovery 1.0, section 3.' },
)

/** A public key, EC or RSA. */
const IdTokenJwkSet = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: text('The key type.'),
          kid: text('The id of the key: `kid` in the header of an id_token.'),
          use: text('The intended use: signatures.'),
          alg: text('The signature algorithm.'),
        },
        { additionalProperties: Type.String() },
      ),
      { description: 'The keys. Empty until the first client needs id_tokens.' },
    ),
  },
  {
    $id: 'IdTokenJwkSet',
    description: 'Public keys, RFC 7517.',
    examples: [{ keys: [{ kty: 'RSA', kid: 'oKIywvGU', use: 'sig', alg: 'RS256', n: 'sXch', e: 'AQAB' }] }],
  },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { PUBLIC_URL } = app.config
  const metadata = metadataOf(PUBLIC_URL)
  const [example] = [metadataOf('https://login.example.com')]
  app.addSchema({ ...OpenIdConfiguration, examples: [example] })
  app.addSchema(IdTokenJwkSet)

  app.get('/.well-known/openid-configuration', {
    config: { public: true },
    schema: {
      operationId: 'getOpenIdConfiguration',
      tags: ['discovery'],
      summary: 'Get the OpenID Connect configuration',
      description:
        'Returns the provider metadata of OpenID Connect Discovery 1.0. If the setting PAGES turns the pages ' +
        'off, users cannot log in to clients and the response is 404.',
      security: [],
      response: { 200: ref(OpenIdConfiguration), ...problems(404, 431) },
    },
    handler: sendMetadata,
  })

  // For an issuer with a path, some clients insert the well-known path between host and path, as in RFC 8414, 3.1.
  const path = publicPath(app.config)
  if (path !== '') {
    app.get(`/.well-known/openid-configuration${path}`, {
      config: { public: true },
      schema: { hide: true, response: { 200: ref(OpenIdConfiguration) } },
      handler: sendMetadata,
    })
  }

  app.get('/.well-known/openid-jwks.json', {
    config: { public: true },
    schema: {
      operationId: 'getIdTokenJwks',
      tags: ['discovery'],
      summary: 'Get the public keys of id_tokens',
      description:
        'Returns the public keys that verify id_tokens. Access tokens have other keys, so that a service that ' +
        'checks only `iss` and the signature does not accept an id_token as an access token.',
      security: [],
      ...keysSchema(IdTokenJwkSet),
    },
    handler: (request, reply) => sendKeys(app.idTokenKeys.publicJwks(), request, reply),
  })

  async function sendMetadata(_request: FastifyRequest, reply: FastifyReply) {
    if (!hasPages(app.config)) throw new Problem('not_found')
    reply.headers(FOR_EVERYBODY)
    return metadata
  }
}

export default routes

function metadataOf(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/v1/token`,
    userinfo_endpoint: `${issuer}/v1/userinfo`,
    end_session_endpoint: `${issuer}/account/logout`,
    jwks_uri: `${issuer}/.well-known/openid-jwks.json`,
    revocation_endpoint: `${issuer}/v1/revoke`,
    introspection_endpoint: `${issuer}/v1/introspect`,
    scopes_supported: Object.keys(OWN_SCOPES),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [...GRANT_TYPES],
    prompt_values_supported: [...PROMPTS],
    ui_locales_supported: [...LOCALES],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...ID_TOKEN_ALGORITHMS],
    token_endpoint_auth_methods_supported: [...AUTH_METHODS],
    token_endpoint_auth_signing_alg_values_supported: [...ASSERTION_ALGORITHMS],
    claims_supported: [
      'iss',
      'sub',
      'aud',
      'exp',
      'iat',
      'auth_time',
      'nonce',
      'at_hash',
      'amr',
      'sid',
      'name',
      'preferred_username',
      'locale',
      'email',
      'email_verified',
      'roles',
    ],
    claim_types_supported: ['normal'],
    code_challenge_methods_supported: ['S256'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
  }
}
