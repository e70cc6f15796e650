import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FOR_EVERYBODY, sendKeys } from '../src/api/discovery.js'
import { problems } from '../src/api/problem-schemas.js'
import { noContent, ref } from '../src/api/schemas.js'
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
    issuer: text('`iss` of every id_token.'),
    authorization_endpoint: text('Where people log in.'),
    token_endpoint: text('Where a code is exchanged.'),
    userinfo_endpoint: text('Who logged in.'),
    end_session_endpoint: text('RP-Initiated Logout: where a client sends the browser to log out here as well.'),
    jwks_uri: text('The keys that verify id_tokens. Access tokens have others.'),
    revocation_endpoint: text('RFC 7009.'),
    introspection_endpoint: text('RFC 7662.'),
    scopes_supported: texts('What a client may ask for; others mean something to other services.'),
    response_types_supported: texts('The code flow alone.'),
    response_modes_supported: texts('Where the answer stands in the redirect.'),
    grant_types_supported: texts('What clients get tokens for.'),
    prompt_values_supported: texts('How a client can have the person asked.'),
    ui_locales_supported: texts('The languages of the pages.'),
    subject_types_supported: texts('`sub` is the same for all clients.'),
    id_token_signing_alg_values_supported: texts('How id_tokens are signed; each client is registered for one.'),
    token_endpoint_auth_methods_supported: texts('How clients prove who they are.'),
    token_endpoint_auth_signing_alg_values_supported: texts('How an assertion of `private_key_jwt` is signed.'),
    claims_supported: texts('What id_tokens and the UserInfo endpoint can say.'),
    claim_types_supported: texts('No aggregated or distributed claims.'),
    code_challenge_methods_supported: texts('PKCE, RFC 7636: every request needs it, unless its client is exempt.'),
    claims_parameter_supported: flag('`claims` is not read.'),
    request_parameter_supported: flag('Request objects are refused.'),
    request_uri_parameter_supported: flag('Request objects are refused.'),
    authorization_response_iss_parameter_supported: flag('RFC 9207.'),
  },
  { $id: 'OpenIdConfiguration', description: 'OpenID Connect Discovery 1.0, section 3.' },
)

/** A public key, EC or RSA. */
const IdTokenJwkSet = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: text('The key type.'),
          kid: text("The key's id: `kid` in the header of an id_token."),
          use: text('The intended use: signatures.'),
          alg: text('The signature algorithm.'),
        },
        { additionalProperties: Type.String() },
      ),
      { description: 'None before a client needs one.' },
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
      summary: 'OpenID Connect configuration',
      description:
        'OpenID Connect Discovery 1.0. 404 where there are no pages (`PAGES`), because nobody can log in then.',
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
      summary: 'Public keys of id_tokens',
      description:
        'The keys that verify id_tokens, and no access token: whoever checks only `iss` and the signature must not take one for ' +
        'the other.',
      security: [],
      response: {
        200: { description: 'The keys.', content: { 'application/json': { schema: ref(IdTokenJwkSet) } } },
        304: noContent('The keys are those that If-None-Match names.'),
        ...problems(431),
      },
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
      ...['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'at_hash', 'amr', 'sid'],
      ...['name', 'preferred_username', 'locale', 'email', 'email_verified', 'roles'],
    ],
    claim_types_supported: ['normal'],
    code_challenge_methods_supported: ['S256'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    authorization_response_iss_parameter_supported: true,
  }
}
