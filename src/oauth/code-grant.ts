import type { Client } from '../audit/requester.js'
import { audienceFor, scopeOfUser } from '../clients/grants.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { isRegisteredUri } from '../clients/redirect-uris.js'
import { wordsOf } from '../clients/scopes.js'
import type { Config } from '../config/settings.js'
import { Problem } from '../problems.js'
import type { ClientSessions } from '../sessions/client-sessions.js'
import type { RefreshedSession } from '../sessions/rotation.js'
import type { AccessToken, Tokens } from '../sessions/token-pairs.js'
import type { AuthorizationCodes } from './authorization-codes.js'
import type { IdTokens, LoginProof } from './id-tokens.js'
import { isVerifierOf } from './pkce.js'

/** The parameters of a code exchange: RFC 6749 section 4.1.3 and RFC 7636 section 4.5. */
interface CodeExchange {
  code: string
  redirectUri: string
  /** Undefined if the client is exempt from PKCE. */
  verifier: string | undefined
}

/** The response of the token endpoint. */
type GrantedTokens = (AccessToken | Tokens) & { scope: string; id_token?: string }

interface Dependencies {
  config: Config
  codes: AuthorizationCodes
  sessions: ClientSessions
  idTokens: IdTokens
}

/** The grant authorization_code: exchanges a code for tokens, once. */
export class CodeGrant {
  readonly #config: Config
  readonly #codes: AuthorizationCodes
  readonly #sessions: ClientSessions
  readonly #idTokens: IdTokens

  constructor({ config, codes, sessions, idTokens }: Dependencies) {
    this.#config = config
    this.#codes = codes
    this.#sessions = sessions
    this.#idTokens = idTokens
  }

  /**
   * Exchanges a code for an authenticated client. A second exchange with all parameters correct ends the session of the
   * first exchange, because one of the two clients stole the code. An exchange with a wrong verifier ends nothing:
   * otherwise an attacker who saw the code could log its owner out. Redirect URIs, scopes and resources that the client
   * has lost since /authorize are not granted.
   * @throws Problem invalid_grant, OAuthError invalid_target
   */
  async redeem({ code: text, redirectUri, verifier }: CodeExchange, by: OAuthClient, client: Client) {
    const code = this.#codes.open(text)
    const isRight =
      code !== undefined &&
      code.clientId === by.id &&
      code.redirectUri === redirectUri &&
      isRegisteredUri(redirectUri, by.redirectUris) &&
      isVerifierOf(verifier, code.challenge)
    if (!isRight) throw invalidCode()
    const { jti: sessionId, resource, nonce, ...agreed } = code
    const content = { ...agreed, scope: scopeOfUser(by, agreed.scope, undefined) }
    const audience = audienceFor(by, resource, this.#config)
    const isRefreshable = by.grantTypes.includes('refresh_token')
    const isOffline = isRefreshable && by.isFirstParty && wordsOf(content.scope).includes('offline_access')
    const begun = { ...content, sessionId, audience, isRefreshable, isOffline, needsConsent: !by.isFirstParty }
    const session = await this.#sessions.begin(begun, client)
    if (session === undefined) throw invalidCode()
    return this.#withIdToken(by, session.token, { ...content, user: session.user, nonce, sid: content.parentId })
  }

  /** Adds an id_token without nonce to a refresh response (OpenID Connect Core, section 12.2). */
  complete(by: OAuthClient, tokens: Tokens, { parentId, ...session }: RefreshedSession): Promise<GrantedTokens> {
    return this.#withIdToken(by, tokens, { ...session, sid: parentId ?? undefined })
  }

  async #withIdToken(by: OAuthClient, token: AccessToken | Tokens, proof: LoginProof): Promise<GrantedTokens> {
    const idToken = await this.#idTokens.make(by, token.access_token, proof)
    return { ...token, scope: proof.scope, ...(idToken !== undefined && { id_token: idToken }) }
  }
}

function invalidCode(): Problem {
  return new Problem('invalid_grant', {
    detail: 'The code is not valid, was used before, has expired or was issued to another client.',
  })
}
