import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { newSessionId } from '../sessions/session-ids.js'
import { seal, unseal } from '../tokens/sealing.js'
import type { DerivedKeys, Secret } from '../tokens/secret.js'

const PREFIX = 'lkc_'
const PURPOSE = 'authorization-code'
/** RFC 6749 recommends at most ten minutes. A browser needs a second. */
const LIFETIME_MS = 60_000
/** Longer than every code, with the longest scope, addresses and nonce: JSON writes a control character as six. */
export const CODE_MAX_LENGTH = 16_384

const AuthorizationCode = Type.Object({
  /** The id of the session that the code creates. The code is used up once a session has this id. */
  jti: Type.String(),
  clientId: Type.String(),
  userId: Type.Integer(),
  /** The browser session in which the code was issued. */
  parentId: Type.String(),
  authVersion: Type.Integer(),
  amr: Type.String(),
  /** In milliseconds since 1970, like `expiresAt`. */
  authTime: Type.Integer(),
  expiresAt: Type.Integer(),
  scope: Type.String(),
  resource: Type.Optional(Type.String()),
  redirectUri: Type.String(),
  challenge: Type.Optional(Type.String()),
  nonce: Type.Optional(Type.String()),
})
type AuthorizationCode = Static<typeof AuthorizationCode>
const authorizationCode = TypeCompiler.Compile(AuthorizationCode)

/**
 * Authorization codes. A code is its own encrypted content: an unused code needs no row, and its holder cannot read the
 * content.
 */
export class AuthorizationCodes {
  readonly #keys: DerivedKeys

  constructor(secret: Secret) {
    this.#keys = secret.derive(PURPOSE)
  }

  make(content: Omit<AuthorizationCode, 'jti' | 'expiresAt'>): string {
    const code = { ...content, jti: newSessionId(), expiresAt: Date.now() + LIFETIME_MS }
    return PREFIX + seal(JSON.stringify(code), PURPOSE, this.#keys)
  }

  /** The content of a code, expired or not; undefined if the code is not authentic. */
  open(text: string): AuthorizationCode | undefined {
    if (!text.startsWith(PREFIX) || text.length > CODE_MAX_LENGTH) return undefined
    const opened = unseal(text.slice(PREFIX.length), PURPOSE, this.#keys)
    const content: unknown = opened === undefined ? undefined : JSON.parse(opened)
    return authorizationCode.Check(content) ? content : undefined
  }
}
