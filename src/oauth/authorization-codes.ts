import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { newSessionId } from '../sessions/session-ids.js'
import { seal, unseal } from '../tokens/sealing.js'
import type { Secret } from '../tokens/secret.js'

const PREFIX = 'lkc_'
const PURPOSE = 'authorization-code'
/** RFC 6749 asks for at most ten minutes; a browser needs a second. */
const LIFETIME_MS = 60_000
/** Longer than any code. */
export const CODE_MAX_LENGTH = 4_096

const AuthorizationCode = Type.Object({
  /** The id of the session that the code begins: what has a row can be redeemed no more. */
  jti: Type.String(),
  clientId: Type.String(),
  userId: Type.Integer(),
  /** The browser session that it was given out in. */
  parentId: Type.String(),
  authVersion: Type.Integer(),
  amr: Type.String(),
  /** In milliseconds since 1970, as the next. */
  authTime: Type.Integer(),
  expiresAt: Type.Integer(),
  scope: Type.String(),
  resource: Type.Optional(Type.String()),
  redirectUri: Type.String(),
  challenge: Type.Optional(Type.String()),
  nonce: Type.Optional(Type.String()),
})
export type AuthorizationCode = Static<typeof AuthorizationCode>
const authorizationCode = TypeCompiler.Compile(AuthorizationCode)

/** Authorization codes: sealed, so that no row is written for one that nobody redeems, and its holder learns nothing from it. */
export class AuthorizationCodes {
  readonly #keys: readonly Buffer[]

  constructor(secret: Secret) {
    this.#keys = secret.derive(PURPOSE)
  }

  make(content: Omit<AuthorizationCode, 'jti' | 'expiresAt'>): string {
    const code = { ...content, jti: newSessionId(), expiresAt: Date.now() + LIFETIME_MS }
    return PREFIX + seal(JSON.stringify(code), PURPOSE, this.#keys)
  }

  /** What a code says, expired or not; undefined for everything that is none of ours. */
  open(text: string): AuthorizationCode | undefined {
    if (!text.startsWith(PREFIX) || text.length > CODE_MAX_LENGTH) return undefined
    const opened = unseal(text.slice(PREFIX.length), PURPOSE, this.#keys)
    const content: unknown = opened === undefined ? undefined : JSON.parse(opened)
    return authorizationCode.Check(content) ? content : undefined
  }
}
