import { clientAudience } from '../config/public-url.js'
import { OAuthError } from '../oauth-error.js'
import type { OAuthClient } from './oauth-clients.js'
import { isForClients, storedScope, wordsOf } from './scopes.js'

interface Issuer {
  PUBLIC_URL: string
  AUDIENCE: string
}

/**
 * The audience of a client's token: a resource (RFC 8707) that the client is registered for. Without one, AUDIENCE for
 * first-party clients, and for others an audience that only Latchkey accepts.
 * @throws OAuthError invalid_target
 */
export function audienceFor(client: OAuthClient, resource: string | undefined, issuer: Issuer): string {
  if (!resource) return client.isFirstParty ? issuer.AUDIENCE : clientAudience(issuer.PUBLIC_URL)
  if (client.resources.includes(resource)) return resource
  throw new OAuthError('invalid_target', 'The client is not registered for this resource.')
}

/**
 * The scope of a token for a client that acts for itself: the requested scope, or all that the client may have.
 * @throws OAuthError invalid_scope for a word that the client may not have, or that needs a user
 */
export function scopeForClient({ scopes }: OAuthClient, requested: string | undefined): string {
  if (!requested) return scopes.filter(isForClients).join(' ')
  const refused = wordsOf(requested).find((word) => !scopes.includes(word) || !isForClients(word))
  if (refused !== undefined) throw new OAuthError('invalid_scope', 'The client may not have this scope.')
  return storedScope(requested)
}

/**
 * The scope of a user's access token: at most what was granted (RFC 6749 section 6) and what the client may have now.
 * @throws OAuthError invalid_scope for a word that was not granted
 */
export function scopeOfUser({ scopes }: OAuthClient, granted: string, requested: string | undefined): string {
  const words = wordsOf(granted).filter((word) => scopes.includes(word))
  if (!requested) return words.join(' ')
  if (!wordsOf(requested).every((word) => words.includes(word))) {
    throw new OAuthError('invalid_scope', 'The scope exceeds the granted scope.')
  }
  return storedScope(requested)
}
