import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.js'
import { OAuthError } from '../oauth-error.js'
import type { ClientTerms } from '../sessions/rotation.js'
import { tokens } from '../telemetry/channels.js'
import type { Keys } from '../tokens/signing-keys.js'
import { audienceFor, scopeForClient, scopeOfUser } from './grants.js'
import type { GrantType, OAuthClient } from './oauth-clients.js'

/** The answer of RFC 6749 section 4.4.3: no refresh token. */
interface ClientToken {
  access_token: string
  token_type: 'Bearer'
  /** In seconds. */
  expires_in: number
  scope?: string
}

interface Asked {
  scope: string | undefined
  resource: string | undefined
}

/**
 * Access tokens of clients that act for themselves. They are not stored: a token is valid until it expires or is
 * revoked.
 */
export class ClientTokens {
  readonly #config: Config
  readonly #keys: Keys

  constructor(config: Config, keys: Keys) {
    this.#config = config
    this.#keys = keys
  }

  /**
   * A token for the client itself, RFC 6749 section 4.4.
   * @throws OAuthError unauthorized_client, invalid_scope, invalid_target
   */
  issue(client: OAuthClient, asked: Asked): ClientToken {
    assertGrant(client, 'client_credentials')
    const { PUBLIC_URL, ACCESS_TOKEN_TTL } = this.#config
    const scope = scopeForClient(client, asked.scope)
    const issuedAt = Math.floor(Date.now() / 1_000)
    const lifetime = Math.floor(ACCESS_TOKEN_TTL / 1_000)
    const access_token = this.#keys.sign({
      iss: PUBLIC_URL,
      aud: audienceFor(client, asked.resource, this.#config),
      sub: client.id,
      client_id: client.id,
      jti: randomUUID(),
      iat: issuedAt,
      exp: issuedAt + lifetime,
      ...(scope !== '' && { scope }),
    })
    tokens.publish({ grant: 'client_credentials', client: client.id })
    return { access_token, token_type: 'Bearer', expires_in: lifetime, ...(scope !== '' && { scope }) }
  }

  /** The terms on which a client may refresh a user's session. @throws OAuthError invalid_target */
  termsOf(client: OAuthClient, { scope, resource }: Asked): ClientTerms {
    return {
      clientId: client.id,
      needsConsent: !client.isFirstParty,
      audience: audienceFor(client, resource, this.#config),
      scopeWithin: (granted) => scopeOfUser(client, granted, scope),
    }
  }
}

/** @throws OAuthError unauthorized_client if the client is not registered for the grant */
export function assertGrant(client: OAuthClient, grant: GrantType): void {
  if (!client.grantTypes.includes(grant)) {
    throw new OAuthError('unauthorized_client', `The client is not registered for ${grant}.`)
  }
}
