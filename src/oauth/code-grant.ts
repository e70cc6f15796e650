import type { Client } from '../audit/requester.js'
import { audienceFor } from '../clients/grants.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import type { Config } from '../config/settings.js'
import { Problem } from '../problems.js'
import type { ClientSessions } from '../sessions/client-sessions.js'
import type { AccessToken } from '../sessions/token-pairs.js'
import type { AuthorizationCodes } from './authorization-codes.js'
import { isVerifierOf } from './pkce.js'

/** What the token endpoint is sent with a code: RFC 6749 section 4.1.3 and RFC 7636 section 4.5. */
export interface CodeExchange {
  code: string
  redirectUri: string
  verifier: string
}

interface Dependencies {
  config: Config
  codes: AuthorizationCodes
  sessions: ClientSessions
}

/** The grant authorization_code: a code for an access token, once. */
export class CodeGrant {
  readonly #config: Config
  readonly #codes: AuthorizationCodes
  readonly #sessions: ClientSessions

  constructor({ config, codes, sessions }: Dependencies) {
    this.#config = config
    this.#codes = codes
    this.#sessions = sessions
  }

  /**
   * Exchanges a code, for a client that has proved who it is. A second exchange with everything right ends what the first one began: one of the two is a thief's. One
   * with the wrong verifier ends nothing, or whoever saw a code could log its owner out.
   * @throws Problem invalid_grant
   */
  async redeem({ code: text, redirectUri, verifier }: CodeExchange, by: OAuthClient, client: Client) {
    const code = this.#codes.open(text)
    const isRight =
      code !== undefined &&
      code.clientId === by.id &&
      code.redirectUri === redirectUri &&
      isVerifierOf(verifier, code.challenge)
    if (!isRight) throw invalidCode()
    const { jti: sessionId, resource, ...content } = code
    // That the client is registered for the resource was seen at /authorize.
    const audience = resource ?? audienceFor(by, undefined, this.#config)
    const token = await this.#sessions.begin({ ...content, sessionId, audience }, client)
    if (token === undefined) throw invalidCode()
    return { ...token, scope: code.scope } satisfies AccessToken & { scope: string }
  }
}

function invalidCode(): Problem {
  return new Problem('invalid_grant', {
    detail: 'The code is not valid, was used before, has expired or is of another client.',
  })
}
