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
      description: 'Each verifies with one algorithm: its `alg`, or the usual one of its type.',
      items: { type: 'object', additionalProperties: true },
    },
  },
})

/** The registration, with the names of RFC 7591 section 2. */
const metadata = {
  client_name: Type.String({ minLength: 1, maxLength: NAME_LONGEST, description: 'The name for people.' }),
  token_endpoint_auth_method: oneOf(AUTH_METHODS, {
    description:
      'How the client proves who it is. A secret is taken both by Basic and in the body; `none` is a public client.',
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
    description: "The words that its tokens may have, with a space between them: Latchkey's own and yours.",
  }),
  resources: uris('The audiences that its tokens may be for (RFC 8707).'),
  redirect_uris: uris('Where a browser may be sent back to, compared exactly.'),
  post_logout_redirect_uris: uris('Where a browser may be sent after a log-out.'),
  jwks,
  id_token_signed_response_alg: oneOf(['RS256', 'ES256'], { description: 'The signature of its id_tokens.' }),
  require_pkce: Type.Boolean({
    description:
      'Whether each log-in needs PKCE. False for software that has none and authenticates with a secret or a key: a challenge that it sends counts all the same.',
  }),
  first_party: Type.Boolean({
    description: 'Your own application: nobody is asked for consent, and AUDIENCE may be the audience of its tokens.',
  }),
}

const clientId = Type.String({ description: 'Names the client, once and for all; `client_id` of its tokens.' })
const clientSecret = Type.String({ description: 'The secret. It is shown only once.' })
const isActive = Type.Boolean({ description: 'False disables the client.' })

const { client_name: clientName, ...others } = metadata
const choices = Type.Partial(Type.Object(others)).properties

export const ClientRegistration = Type.Object(
  {
    client_id: Type.Optional(
      Type.String({
        pattern: CLIENT_ID_PATTERN,
        maxLength: 64,
        description: 'The id to register; without one it is made up.',
      }),
    ),
    client_name: clientName,
    ...choices,
  },
  {
    $id: 'ClientRegistration',
    additionalProperties: false,
    description: 'A client to be registered.',
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
    description: 'The fields to change; the others stay as they are.',
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
  secrets: Type.Integer({ description: 'How many secrets are valid: two while they rotate.' }),
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
    description: 'A new client, with its secret where it has one.',
    examples: [{ ...EXAMPLE, client_secret: 'lks_Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0' }],
  },
)

export const ClientSecret = Type.Object(
  { client_id: clientId, client_secret: clientSecret },
  {
    $id: 'ClientSecret',
    description: 'A new secret of a client.',
    examples: [{ client_id: 'billing', client_secret: 'lks_Zm9yLXRoaXMtcGFnZS1hbG9uZS0tLS0tLS0tLS0tLS0' }],
  },
)

export const ClientPage = Type.Object(
  { items: pageOf(Client), next_cursor: nextCursor },
  {
    $id: 'ClientPage',
    description: 'Clients, in the order of their ids.',
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
