import type { KnownClients } from '../clients/known-clients.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { isRegisteredUri } from '../clients/redirect-uris.js'
import { wordsOf } from '../clients/scopes.js'
import { Problem } from '../problems.js'
import type { BrowserSession } from '../sessions/browser-sessions.js'
import type { IdTokens } from './id-tokens.js'
import { flawOfInteraction, type Interaction, needsLogIn, readInteraction } from './interaction.js'
import { isChallenge } from './pkce.js'

/**
 * Parameters that hold a whole request, with the errors that OpenID Connect Core 6.1 and 6.2 demand of a server without
 * support. What a client puts in them replaces the other parameters (RFC 9101 section 6.3).
 */
const REFUSED = { request: 'request_not_supported', request_uri: 'request_uri_not_supported' } as const
/** The longest `state` and `nonce`, in characters. */
const STATE_LONGEST = 2_048
const NONCE_LONGEST = 512

type ErrorCode =
  | 'invalid_request'
  | 'unauthorized_client'
  | 'unsupported_response_type'
  | 'invalid_target'
  | 'login_required'
  | 'consent_required'
  | 'access_denied'
  | (typeof REFUSED)[keyof typeof REFUSED]

/** The raw query parameters. A repeated parameter is an array. */
export type Query = Record<string, unknown>

type Parameters = Record<string, string | undefined>

/** A request of RFC 6749 section 4.1.1 that may be answered with a code. */
export interface AuthorizationRequest {
  client: OAuthClient
  redirectUri: string
  /** Space-separated. Limited to the scopes of the client. */
  scope: string
  resource: string | undefined
  /** The PKCE challenge. Undefined if the client is exempt. */
  challenge: string | undefined
  state: string | undefined
  nonce: string | undefined
  /** The `sub` of `id_token_hint`. The request fails for any other user. */
  subject: string | undefined
  interaction: Interaction
}

interface Dependencies {
  knownClients: KnownClients
  idTokens: IdTokens
}

/** An error that is sent to the client by a redirect: RFC 6749 section 4.1.2.1. */
export class AuthorizationError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly redirectUri: string,
    readonly state: string | undefined,
  ) {
    super(message)
  }
}

/**
 * Parses and validates an authorization request. Redirects only after the client and the redirect URI are verified:
 * otherwise the endpoint would be an open redirector (RFC 9700 section 4.11).
 * @throws Problem client_unknown, redirect_uri_unknown
 * @throws AuthorizationError for every other error
 */
export async function readAuthorizationRequest(
  query: Query,
  { knownClients, idTokens }: Dependencies,
): Promise<AuthorizationRequest> {
  const { client_id: clientId, redirect_uri: redirectUri, state: sentState } = query
  const client = typeof clientId === 'string' ? await knownClients.lookUp(clientId) : undefined
  if (client?.isActive !== true) throw new Problem('client_unknown')
  if (typeof redirectUri !== 'string' || !isRegisteredUri(redirectUri, client.redirectUris)) {
    throw new Problem('redirect_uri_unknown')
  }
  const state = typeof sentState === 'string' && sentState.length <= STATE_LONGEST ? sentState : undefined
  const refuse = (code: ErrorCode, message: string): never => {
    throw new AuthorizationError(code, message, redirectUri, state)
  }
  if (sentState !== undefined && state === undefined) refuse('invalid_request', 'state is too long or repeated.')
  const twice = Object.keys(query).find((name) => typeof query[name] !== 'string')
  if (twice !== undefined) refuse('invalid_request', 'A parameter is repeated.')
  const parameters = withoutEmpty(query) as Parameters
  for (const [name, code] of Object.entries(REFUSED)) {
    if (parameters[name] !== undefined) refuse(code, `The parameter ${name} is not supported.`)
  }
  if (parameters.response_type !== 'code') refuse('unsupported_response_type', 'response_type must be code.')
  if ((parameters.response_mode ?? 'query') !== 'query') refuse('invalid_request', 'response_mode must be query.')
  if (!client.grantTypes.includes('authorization_code')) {
    refuse('unauthorized_client', 'The client is not registered for authorization_code.')
  }
  const { code_challenge: challenge, code_challenge_method: method, resource, nonce } = parameters
  if (client.requiresPkce || challenge !== undefined || method !== undefined) {
    if (method !== 'S256') refuse('invalid_request', 'code_challenge_method must be S256.')
    if (!isChallenge(challenge)) refuse('invalid_request', 'code_challenge must be the base64url of a SHA-256.')
  }
  if (resource !== undefined && !client.resources.includes(resource)) refuse('invalid_target', 'resource is unknown.')
  if ((nonce ?? '').length > NONCE_LONGEST) refuse('invalid_request', 'nonce is too long.')
  const flaw = flawOfInteraction(parameters)
  if (flaw !== undefined) refuse('invalid_request', flaw)
  const { id_token_hint: hint } = parameters
  const named = hint === undefined ? undefined : idTokens.readHint(hint)
  if (hint !== undefined && named?.aud !== client.id) {
    refuse('invalid_request', 'id_token_hint must be an id_token that was issued to this client.')
  }
  return {
    client,
    redirectUri,
    resource,
    challenge,
    state,
    nonce,
    subject: named?.sub,
    scope: grantedScope(parameters.scope ?? '', client),
    interaction: readInteraction(parameters),
  }
}

/** Whether the user of the session must log in, or log in again. */
export function isLogInNeeded(authorization: AuthorizationRequest, session: BrowserSession): boolean {
  return isOther(authorization, session) || needsLogIn(authorization.interaction, session.authTime)
}

/** Whether the client requires another user: it must not get a code then (OpenID Connect Core, section 3.1.2.2). */
export function isOther({ subject }: AuthorizationRequest, { userId }: BrowserSession): boolean {
  return subject !== undefined && subject !== String(userId)
}

/** A query without the parameters that have no value: they count as omitted (RFC 6749 section 3.1). */
export function withoutEmpty<Query extends object>(query: Query): Partial<Query> {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== '')) as Partial<Query>
}

/**
 * The redirect URI with the response parameters. Authorization responses include `iss` (RFC 9207), against mix-up
 * attacks.
 */
export function answerAddress(redirectUri: string, parameters: Record<string, string | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, value)
  }
  return `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${query}`
}

function grantedScope(asked: string, client: OAuthClient): string {
  const words = new Set(wordsOf(asked))
  // OpenID Connect Core, section 11: a client without permission gets the other scopes, without `offline_access`.
  const isOfflineGranted = client.isFirstParty && client.grantTypes.includes('refresh_token')
  return client.scopes.filter((word) => words.has(word) && (word !== 'offline_access' || isOfflineGranted)).join(' ')
}
