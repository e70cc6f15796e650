import { type Static, Type } from '@sinclair/typebox'
import { toRegistration } from '../clients/clients.js'
import { AUTH_METHODS, GRANT_TYPES, type OAuthClient } from '../clients/oauth-clients.js'
import { CLIENT_ID_PATTERN, NAME_LONGEST, URI_LONGEST, URIS_MAX } from '../clients/registration.js'
import { SCOPE_MAX_LENGTH, SCOPE_PATTERN } from '../clients/scopes.js'
import { nextCursor } from './paging.js'
import { createdAt, oneOf, pageOf, updatedAt } from './schemas.js'
import { timestamp } from './times.js'

const uris = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: URI_LONGEST }), { maxItems: URIS_MAX, description })

const jwks = Type.Unsafe<{ keys: Record<string, unknown>[] } | null>({
  type: ['object', 'null'],
  description: 'The public keys as a JWK Set (RFC 7517), for `private_key_jwt`.',
  required: ['keys'],
  properties: {
    keys: {
      type: 'array',
      maxItems: 8,
      description: 'The public keys. Each key verifies with one algorithm: its `alg`, or the default for its key type.',
      items: { type: 'object', additionalProperties: true },
    },
  },
})

/** The registration, with the names of RFC 7591 section 2. */
const metadata = {
  client_name: Type.String({ minLength: 1, maxLength: NAME_LONGEST, description: 'The name shown to users.' }),
  token_endpoint_auth_method: oneOf(AUTH_METHODS, {
    description:
      'The authentication method of the client. A secret is accepted by HTTP Basic and in the body with either secret ' +
      'method. `none` means a public client.',
  }),
  grant_types: Type.Array(oneOf(GRANT_TYPES), {
    minItems: 1,
    maxItems: GRANT_TYPES.length,
    uniqueItems: true,
    description: 'The grants that the client may use.',
  }),
  scope: Type.String({
    maxLength: SCOPE_MAX_LENGTH,
    pattern: `^$|${SCOPE_PATTERN}`,
    description:
      "The scopes that the client's tokens may have, separated by spaces: Latchkey's own scopes and those of your " +
      'services.',
  }),
  resources: uris("The audiences that the client's tokens may have (RFC 8707)."),
  redirect_uris: uris('The allowed redirect URIs after a log-in, compared exactly.'),
  post_logout_redirect_uris: uris('The allowed redirect URIs after a log-out.'),
  jwks,
  id_token_signed_response_alg: oneOf(['RS256', 'ES256'], {
    description: "The signature algorithm of the client's id_tokens.",
  }),
  require_pkce: Type.Boolean({
    description:
      'Whether each log-in needs PKCE. Set to false only for software without PKCE that authenticates with a ' +
      'secret or a key. A challenge that such a client sends is still checked.',
  }),
  first_party: Type.Boolean({
    description:
      "Whether the client is the operator's own application: users are not asked for consent, and its tokens may " +
      'have the audience of the setting AUDIENCE.',
  }),
}

const clientId = Type.String({
  description: 'The id of the client, which never changes: the `client_id` claim of its tokens.',
})
const clientSecret = Type.String({ description: 'The client secret. The secret is shown only once.' })
const isActive = Type.Boolean({ description: 'Whether the client can get tokens. False disables the client.' })

const { client_name: clientName, ...others } = metadata
const choices = Type.Partial(Type.Object(others)).properties

export const ClientRegistration = Type.Object(
  {
    client_id: Type.Optional(
      Type.String({
        pattern: CLIENT_ID_PATTERN,
        maxLength: 64,
        description: 'The id to register. If omitted, an id is generated.',
      }),
    ),
    client_name: clientName,
    ...choices,
  },
  {
    $id: 'ClientRegistration',
    additionalProperties: false,
    description: 'A client to register.',
    examples: [{ client_id: 'billing', client_name: 'Billing', scope: 'invoices:write' }],
  },
)

export const ClientUpdate = Type.Object(
  {
    client_name: Type.Optional(clientName),
    ...choices,
    is_active: Type.Optional(isActive),
  },
  {
    $id: 'ClientUpdate',
    additionalProperties: false,
    minProperties: 1,
    description: 'The fields to change. Omitted fields keep their values.',
    examples: [{ scope: 'invoices:read' }],
  },
)

const EXAMPLE = {
  client_id: 'billing',
  client_name: 'Billing',
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['client_credentials'],
  scope: 'invoices:write',
  resources: ['https://api.example.com'],
  redirect_uris: [],
  post_logout_redirect_uris: [],
  jwks: null,
  id_token_signed_response_alg: 'RS256',
  require_pkce: true,
  first_party: false,
  is_active: true,
  secrets: 1,
  created_at: '2026-11-20T09:00:00.000Z',
  updated_at: '2026-11-20T09:00:00.000Z',
}

const clientFields = {
  client_id: clientId,
  ...metadata,
  is_active: isActive,
  secrets: Type.Integer({ description: 'The number of valid secrets: two during a rotation.' }),
  created_at: createdAt,
  updated_at: updatedAt,
}

export const Client = Type.Object(clientFields, {
  $id: 'Client',
  description: 'An OAuth client, without its secrets.',
  examples: [EXAMPLE],
})

export const RegisteredClient = Type.Object(
  { ...clientFields, client_secret: Type.Optional(clientSecret) },
  {
    $id: 'RegisteredClient',
    description: 'A new client, with its secret if it has one.',
    examples: [{ ...EXAMPLE, client_secret: 'lks_Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0' }],
  },
)

export const ClientSecret = Type.Object(
  { client_id: clientId, client_secret: clientSecret },
  {
    $id: 'ClientSecret',
    description: 'A new client secret.',
    examples: [{ client_id: 'billing', client_secret: 'lks_Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0' }],
  },
)

export const ClientPage = Type.Object(
  { items: pageOf(Client), next_cursor: nextCursor },
  {
    $id: 'ClientPage',
    description: 'A page of clients, ordered by id.',
    examples: [{ items: Client.examples, next_cursor: null }],
  },
)

export function toClient(client: OAuthClient): Static<typeof Client> {
  return {
    client_id: client.id,
    ...toRegistration(client),
    is_active: client.isActive,
    secrets: client.secretHashes.length,
    created_at: timestamp(client.createdAt),
    updated_at: timestamp(client.updatedAt),
  }
}
