import { randomBytes } from 'node:crypto'
import { acceptedIssuers, clientAudience, compatAudience } from '../config/public-url.js'
import { Problem } from '../problems.js'
import { isLongerThan } from '../text-lengths.js'
import { flawOfJwks } from './jwks.js'
import type { AuthMethod, GrantType } from './oauth-clients.js'
import { flawOfRedirectUri } from './redirect-uris.js'
import { isForClients, SCOPE_MAX_LENGTH, SCOPE_PATTERN, storedScope, wordsOf } from './scopes.js'

/**
 * Must begin with a letter: a resource server that reads `sub` alone would take a token of a client "7" for one of user
 * 7 (RFC 9700, 4.15).
 */
export const CLIENT_ID_PATTERN = '^[A-Za-z][A-Za-z0-9_-]{2,63}$'
/** The id of Latchkey's own client, in any case. */
const RESERVED = /^latchkey$/i
/** In characters. */
export const NAME_LONGEST = 100
export const URI_LONGEST = 512
/** The most URIs of one kind. */
export const URIS_MAX = 20
const RANDOM_ID_BYTES = 12

/**
 * The metadata of a client, with the names of RFC 7591 section 2, plus `resources`, `require_pkce` and `first_party`.
 */
export interface Registration {
  client_name: string
  token_endpoint_auth_method: AuthMethod
  grant_types: GrantType[]
  scope: string
  resources: string[]
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  jwks: { keys: Record<string, unknown>[] } | null
  id_token_signed_response_alg: 'RS256' | 'ES256'
  require_pkce: boolean
  first_party: boolean
}

interface Issuer {
  PUBLIC_URL: string
  AUDIENCE: string
}

/** The registration as columns. */
export function columnsOf(registration: Registration) {
  return {
    name: registration.client_name,
    authMethod: registration.token_endpoint_auth_method,
    grantTypes: [...new Set(registration.grant_types)].join(' '),
    scope: storedScope(registration.scope),
    resources: [...new Set(registration.resources)].join(' '),
    redirectUris: [...new Set(registration.redirect_uris)].join(' '),
    postLogoutRedirectUris: [...new Set(registration.post_logout_redirect_uris)].join(' '),
    jwks: registration.jwks && JSON.stringify({ keys: registration.jwks.keys }),
    idTokenAlgorithm: registration.id_token_signed_response_alg,
    requiresPkce: registration.require_pkce,
    isFirstParty: registration.first_party,
  }
}

/** Defaults of a registration: a client with redirect URIs uses codes, and one without acts for itself. */
export function withDefaults(given: Partial<Registration> & { client_name: string }): Registration {
  const redirects = given.redirect_uris ?? []
  return {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [redirects.length > 0 ? 'authorization_code' : 'client_credentials'],
    scope: '',
    resources: [],
    redirect_uris: redirects,
    post_logout_redirect_uris: [],
    jwks: null,
    id_token_signed_response_alg: 'RS256',
    require_pkce: true,
    first_party: false,
    ...given,
  }
}

export function randomClientId(): string {
  return `client_${randomBytes(RANDOM_ID_BYTES).toString('base64url')}`
}

/** @throws Problem client_rejected if the id is invalid or reserved */
export function assertClientId(id: string): void {
  if (!new RegExp(CLIENT_ID_PATTERN).test(id)) {
    refuse('client_id must begin with a letter and have 3 to 64 letters, digits, `_` and `-`.')
  }
  if (RESERVED.test(id)) refuse('client_id `latchkey` is reserved for the service itself.')
}

/**
 * Checks that the fields of a registration are consistent.
 * @throws Problem client_rejected, whose detail names the field and the rule
 */
export function assertRegistration(registration: Registration, issuer: Issuer): void {
  const { token_endpoint_auth_method: method, grant_types: grants, redirect_uris: redirects, jwks } = registration
  const isPublic = method === 'none'
  assertTexts(registration)
  if (method === 'private_key_jwt' && jwks === null) refuse('private_key_jwt needs jwks, with the public keys.')
  if (method !== 'private_key_jwt' && jwks !== null)
    refuse('jwks is only for token_endpoint_auth_method private_key_jwt.')
  if (jwks !== null) refuseIf('jwks', flawOfJwks(jwks))
  if (isPublic && grants.includes('client_credentials')) {
    refuse('client_credentials is for clients that authenticate; a public client (none) cannot keep a secret.')
  }
  if (isPublic && !registration.require_pkce) {
    refuse(
      'require_pkce can be false only for clients that authenticate: a public client needs PKCE to protect its codes.',
    )
  }
  if (grants.includes('refresh_token') && !grants.includes('authorization_code')) {
    refuse('refresh_token needs authorization_code: client_credentials gives no refresh tokens.')
  }
  if (grants.includes('authorization_code') !== redirects.length > 0) {
    refuse('redirect_uris are only for the grant authorization_code, which needs at least one.')
  }
  for (const uri of [...redirects, ...registration.post_logout_redirect_uris]) {
    refuseIf(uri, flawOfRedirectUri(uri, isPublic))
  }
  for (const resource of registration.resources) refuseIf(resource, flawOfResource(resource, registration, issuer))
  const words = wordsOf(registration.scope)
  if (grants.every((grant) => grant === 'client_credentials') && !words.every(isForClients)) {
    refuse(`scope ${words.find((word) => !isForClients(word))} needs a user, and client_credentials has none.`)
  }
}

/** Repeats checks of the request's schema, which the command line bypasses. */
function assertTexts({ client_name: name, scope, ...lists }: Registration): void {
  if (name === '' || isLongerThan(NAME_LONGEST, name) || /\p{C}/u.test(name)) {
    refuse(`client_name must have 1 to ${NAME_LONGEST} characters, none of them invisible.`)
  }
  if (scope !== '' && (scope.length > SCOPE_MAX_LENGTH || !new RegExp(SCOPE_PATTERN).test(scope))) {
    refuse('scope must be words with one space between them, without quotation marks and backslashes.')
  }
  if (lists.grant_types.length === 0) refuse('grant_types must have at least one entry.')
  for (const uris of [lists.resources, lists.redirect_uris, lists.post_logout_redirect_uris]) {
    if (uris.length > URIS_MAX) refuse(`At most ${URIS_MAX} addresses of each kind are allowed.`)
  }
}

/** RFC 8707 section 2. A resource must not be an audience that Latchkey or others accept as that of a user's token. */
function flawOfResource(resource: string, { first_party }: Registration, issuer: Issuer): string | undefined {
  const { PUBLIC_URL, AUDIENCE } = issuer
  if (resource.length > URI_LONGEST) return `must have at most ${URI_LONGEST} characters`
  if (!/^[\x21-\x7e]+$/.test(resource) || !URL.canParse(resource)) return 'must be an absolute URI in ASCII'
  if (resource.includes('#')) return 'must have no fragment'
  if ([clientAudience(PUBLIC_URL), compatAudience(PUBLIC_URL)].includes(resource)) {
    return 'is an audience of Latchkey itself'
  }
  if ([AUDIENCE, ...acceptedIssuers(issuer)].includes(resource) && !first_party) {
    return 'is the audience of tokens for the whole account; only first_party clients may have it'
  }
  return undefined
}

function refuseIf(subject: string, flaw: string | undefined): void {
  if (flaw !== undefined) refuse(`${subject} ${flaw}.`)
}

function refuse(detail: string): never {
  throw new Problem('client_rejected', { detail })
}
