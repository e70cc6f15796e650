import type { Tables } from '../database/database.js'
import { wordsOf } from './scopes.js'

export type ClientRow = Tables['clients']['$inferSelect']

/** The grants of RFC 6749 that a client may be registered for. */
export const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials'] as const
export type GrantType = (typeof GRANT_TYPES)[number]

/** Client authentication methods, named as in RFC 7591. */
export const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

/** An OAuth client. Frozen, because requests share it. */
export interface OAuthClient {
  readonly id: string
  readonly name: string
  readonly isActive: boolean
  readonly authMethod: AuthMethod
  /** SHA-256 of each secret that is valid. */
  readonly secretHashes: readonly Buffer[]
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] } | undefined
  readonly grantTypes: readonly string[]
  readonly scopes: readonly string[]
  readonly resources: readonly string[]
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
  readonly idTokenAlgorithm: 'RS256' | 'ES256'
  /** Whether PKCE is required; a client with a secret may be exempt (RFC 9700, 2.1.1). */
  readonly requiresPkce: boolean
  readonly isFirstParty: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export function toOAuthClient(row: ClientRow): OAuthClient {
  const hashes = [row.secretHash, row.olderSecretHash].filter((hash) => hash !== null)
  return Object.freeze({
    id: row.id,
    name: row.name,
    isActive: row.isActive,
    authMethod: row.authMethod,
    secretHashes: hashes.map((hash) => Buffer.from(hash, 'base64url')),
    jwks: row.jwks === null ? undefined : JSON.parse(row.jwks),
    grantTypes: wordsOf(row.grantTypes),
    scopes: wordsOf(row.scope),
    resources: wordsOf(row.resources),
    redirectUris: wordsOf(row.redirectUris),
    postLogoutRedirectUris: wordsOf(row.postLogoutRedirectUris),
    idTokenAlgorithm: row.idTokenAlgorithm,
    requiresPkce: row.requiresPkce,
    isFirstParty: row.isFirstParty,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  })
}
