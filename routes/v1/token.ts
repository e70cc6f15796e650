import formbody from '@fastify/formbody'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { TOKEN_MAX_LENGTH } from '../../src/api/account-schemas.js'
import { answerOAuthError, clientFields, oauthErrors, parseForm } from '../../src/api/oauth-answers.js'
import { ref } from '../../src/api/schemas.js'
import { codeIn } from '../../src/api/second-factors.js'
import { clientOf } from '../../src/audit/requester.js'
import { assertGrant } from '../../src/clients/client-tokens.js'
import type { OAuthClient } from '../../src/clients/oauth-clients.js'
import { URI_LONGEST } from '../../src/clients/registration.js'
import { SCOPE_MAX_LENGTH, SCOPE_PATTERN } from '../../src/clients/scopes.js'
import { hasPages } from '../../src/config/pages.js'
import { endOfTick } from '../../src/event-loop.js'
import { CODE_MAX_LENGTH } from '../../src/oauth/authorization-codes.js'
import { OAuthError } from '../../src/oauth-error.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

// Each field has an example, because Swagger UI fills in the fields one by one.
const TokenRequest = Type.Object(
  {
    grant_type: Type.String({
      description: 'The grant: `password`, `refresh_token`, `authorization_code` or `client_credentials`.',
      examples: ['password'],
    }),
    username: Type.Optional(
      Type.String({
        maxLength: IDENTIFIER_MAX_LENGTH,
        description: 'For `password`: the user name or e-mail address.',
        examples: ['mina'],
      }),
    ),
    password: Type.Optional(
      Type.String({
        maxLength: PASSWORD_MAX_LENGTH,
        description: 'For `password`: the password.',
        examples: ['three quiet lanterns'],
      }),
    ),
    refresh_token: Type.Optional(
      Type.String({ maxLength: TOKEN_MAX_LENGTH, description: 'For `refresh_token`: the token.', examples: [''] }),
    ),
    totp: Type.Optional(
      Type.String({ maxLength: 32, description: 'For `password`: a code from an authenticator app.', examples: [''] }),
    ),
    recovery_code: Type.Optional(
      Type.String({ maxLength: 32, description: 'For `password`: a recovery code.', examples: [''] }),
    ),
    scope: Type.Optional(
      Type.String({
        maxLength: SCOPE_MAX_LENGTH,
        pattern: `^$|${SCOPE_PATTERN}`,
        description:
          'The requested scopes, separated by spaces. If omitted, all scopes of the client. Leave empty for ' +
          '`password`.',
        examples: [''],
      }),
    ),
    resource: Type.Optional(
      Type.String({
        maxLength: 512,
        description: 'The requested audience: one of the `resources` of the client (RFC 8707).',
        examples: [''],
      }),
    ),
    code: Type.Optional(
      Type.String({ maxLength: CODE_MAX_LENGTH, description: 'For `authorization_code`: the code.', examples: [''] }),
    ),
    redirect_uri: Type.Optional(
      Type.String({
        maxLength: URI_LONGEST,
        description: 'For `authorization_code`: the same `redirect_uri` as at /authorize.',
        examples: [''],
      }),
    ),
    code_verifier: Type.Optional(
      Type.String({
        maxLength: 128,
        description: 'For `authorization_code`: the PKCE verifier (RFC 7636).',
        examples: [''],
      }),
    ),
    ...clientFields,
  },
  {
    $id: 'TokenRequest',
    // Unknown parameters are ignored, as in RFC 6749 section 3.2.
    description: 'An OAuth 2 token request, RFC 6749 sections 4.1.3, 4.3.2, 4.4.2 and 6.',
    examples: [{ grant_type: 'password', username: 'mina', password: 'three quiet lanterns' }],
  },
)

const TokenAnswer = Type.Object(
  {
    access_token: Type.String({
      description: 'A JWT for the Authorization header. Other services can verify it offline.',
    }),
    token_type: Type.String({ description: 'The token type: `Bearer`.' }),
    expires_in: Type.Integer({ description: 'The lifetime of the access token, in seconds.' }),
    refresh_token: Type.Optional(
      Type.String({ description: 'A token that can be exchanged once for the next pair of tokens.' }),
    ),
    scope: Type.Optional(
      Type.String({ description: 'The granted scopes, separated by spaces. Only for tokens of an OAuth client.' }),
    ),
    id_token: Type.Optional(
      Type.String({ description: 'The id_token of OpenID Connect. Present if the scope `openid` was granted.' }),
    ),
  },
  {
    $id: 'TokenAnswer',
    description: 'The tokens, RFC 6749 section 5.1.',
    examples: [
      {
        access_token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl',
        token_type: 'Bearer',
        expires_in: 600,
        scope: 'invoices:write',
      },
    ],
  },
)

type TokenForm = Static<typeof TokenRequest>
type Answer = Static<typeof TokenAnswer>

const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [TokenRequest, TokenAnswer]) app.addSchema(schema)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { parser: parseForm })

  /** The supported grants, by name. */
  const grants: Record<string, (request: FastifyRequest<{ Body: TokenForm }>) => Promise<Answer>> = {
    client_credentials: async (request) => {
      const { scope, resource } = request.body
      const client = await app.oauth.requireClient(request)
      const limited = app.budgets.client(client.id)
      if (limited !== undefined) throw limited
      const token = app.clientTokens.issue(client, { scope, resource })
      await endOfTick()
      return token
    },

    refresh_token: async (request) => {
      const client = await app.oauth.findClient(request)
      const token = required(request.body, 'refresh_token')
      if (client === undefined) {
        refuseScope(request.body)
        return app.rotation.refresh(token, clientOf(request))
      }
      return refreshFor(client, token, request)
    },

    ...(hasPages(app.config) && {
      authorization_code: async (request) => {
        const client = await app.oauth.requireClient(request)
        assertGrant(client, 'authorization_code')
        const exchange = {
          code: required(request.body, 'code'),
          redirectUri: required(request.body, 'redirect_uri'),
          verifier: verifierIn(request.body, client),
        }
        return app.codeGrant.redeem(exchange, client, clientOf(request))
      },
    }),

    ...(app.config.PASSWORD_GRANT && {
      password: async (request) => {
        // Only for Latchkey's own client: other clients must never see a password.
        if ((await app.oauth.findClient(request)) !== undefined) {
          throw new OAuthError('unauthorized_client', 'The password grant is not for OAuth clients; use another grant.')
        }
        refuseScope(request.body)
        const username = required(request.body, 'username')
        const password = required(request.body, 'password')
        const user = await app.logIn.authenticate(username, password, clientOf(request), codeIn(request.body))
        return app.sessions.issue(user, clientOf(request))
      },
    }),
  }

  app.post<{ Body: TokenForm }>('/v1/token', {
    config: { public: true, rateLimit: 'refresh' },
    errorHandler: answerOAuthError,
    schema: {
      operationId: 'createToken',
      tags: ['auth'],
      summary: 'Get tokens (OAuth 2 token endpoint)',
      description:
        'Issues tokens to OAuth 2 clients (RFC 6749) and to the Authorize button of this page. The password ' +
        'grant is only for first-party applications that send no client credentials. RFC 9700 advises against ' +
        'this grant; the setting PASSWORD_GRANT turns it off. For an account with a second factor, the error is ' +
        '`mfa_required`: repeat the request with `totp` or `recovery_code`. If an account has no second factor ' +
        'but the setting MFA requires one, the error is `mfa_enrollment_required`: log in with POST /v1/login to ' +
        'add a factor.',
      security: [],
      consumes: ['application/x-www-form-urlencoded'],
      body: ref(TokenRequest),
      response: { 200: ref(TokenAnswer), ...oauthErrors(400, 401, 413, 415, 429, 500, 503) },
    },
    handler: async (request): Promise<Answer> => {
      const grantType = required(request.body, 'grant_type')
      const grant = Object.hasOwn(grants, grantType) ? grants[grantType] : undefined
      if (grant === undefined) throw new OAuthError('unsupported_grant_type', 'This grant_type is not supported.')
      return grant(request)
    },
  })

  /** Refreshes a session of another client, for that client only: RFC 6749 section 6. */
  async function refreshFor(client: OAuthClient, token: string, request: FastifyRequest<{ Body: TokenForm }>) {
    assertGrant(client, 'refresh_token')
    const { scope, resource } = request.body
    const terms = app.clientTokens.termsOf(client, { scope, resource })
    const { tokens, session } = await app.rotation.refreshFor(terms, token, clientOf(request))
    return app.codeGrant.complete(client, tokens, session)
  }
}

export default routes

function required(
  body: TokenForm,
  name: Exclude<keyof TokenForm, keyof typeof clientFields | 'scope' | 'resource'>,
): string {
  const value = body[name]
  if (!value) throw new OAuthError('invalid_request', `The parameter ${name} is missing.`)
  return value
}

/** An empty parameter counts as missing. */
function verifierIn(body: TokenForm, client: OAuthClient): string | undefined {
  return client.requiresPkce ? required(body, 'code_verifier') : body.code_verifier || undefined
}

/** Latchkey's own tokens have no scopes, so a request for one is refused. */
function refuseScope({ scope, resource }: TokenForm): void {
  if (scope) throw new OAuthError('invalid_scope', 'This grant does not take scope.')
  if (resource) throw new OAuthError('invalid_target', 'This grant does not take resource.')
}
