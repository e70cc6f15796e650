import { createPublicKey } from 'node:crypto'
import { createSigner } from 'fast-jwt'
import { type Database, DatabaseError } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Secret } from './secret.js'
import { ACCESS_KEYS, endingTooSoon, isSigning, type KeyState } from './signing-key-rows.js'
import { SigningKeyStore } from './signing-key-store.js'

/** The only signature algorithm of access tokens, for signing and verifying. */
export const ALGORITHM = ACCESS_KEYS.alg
/** The `typ` of an access token, RFC 9068 section 2.1. */
export const TOKEN_TYPE = 'at+jwt'
/**
 * The `typ` of the long-lived tokens of the tutorial endpoints. It differs from `at+jwt`, so that other services refuse
 * these tokens.
 */
export const COMPAT_TOKEN_TYPE = 'compat+jwt'
const UNOPENED =
  'Some signing keys cannot be decrypted with this SECRET_KEY (another secret, or a forged row) and are not used:'

/** A public key in the format of RFC 7517 and RFC 7518 section 6.2. */
type PublicJwk = Record<'kty' | 'crv' | 'x' | 'y' | 'kid' | 'use' | 'alg', string>

type TokenType = typeof TOKEN_TYPE | typeof COMPAT_TOKEN_TYPE

interface Signer {
  kid: string
  sign: Record<TokenType, (claims: object) => string>
}

/**
 * The signing keys of this installation. The database stores the private keys encrypted with the secret. The public key
 * is derived from the decrypted private key, so an attacker with write access to the database but without the secret
 * cannot add a key.
 */
export class Keys {
  readonly #store: SigningKeyStore
  #fingerprint = ''
  #verifying = new Map<string, string>()
  #signer: Signer | undefined
  #jwks: { keys: PublicJwk[] } = { keys: [] }
  #unopened: string[] = []
  /** Increases when the set of keys changes. Cached verification results of an older generation are invalid. */
  generation = 0

  private constructor(store: SigningKeyStore) {
    this.#store = store
  }

  /**
   * Loads the keys. Creates a key if no key signs. @throws DatabaseError when the keys were encrypted with another
   * secret
   */
  static async open(database: Database, secret: Secret): Promise<Keys> {
    const store = new SigningKeyStore(database, secret)
    const rows = await store.rows()
    const opened = store.openAll(rows)
    if (!opened.some(isSigning) && rows.some(isSigning)) {
      throw new DatabaseError(
        'The signing keys in the database cannot be decrypted with this SECRET_KEY. Start with the secret that ' +
          'encrypted them; to change the secret, set both as "new,old".',
      )
    }
    if (!opened.some(isSigning) || endingTooSoon(opened).length > 0) await store.repair()
    const keys = new Keys(store)
    await keys.reload()
    return keys
  }

  /** Signs claims with the current key, as a token of this `typ`. @throws Problem not_ready when there is no key */
  sign(claims: object, type: TokenType = TOKEN_TYPE): string {
    return this.#currentSigner().sign[type](claims)
  }

  /**
   * Called before a session is created or rotated: without a signing key, its token could not be signed. @throws
   * Problem not_ready
   */
  assertCanSign(): void {
    this.#currentSigner()
  }

  #currentSigner(): Signer {
    if (this.#signer === undefined) throw new Problem('not_ready', { detail: 'There is no signing key.' })
    return this.#signer
  }

  /** Whether there is a signing key. */
  get canSign(): boolean {
    return this.#signer !== undefined
  }

  /** A warning for the operator about keys in the database that are not used; otherwise undefined. */
  warning(): string | undefined {
    if (this.#unopened.length > 0) return `${UNOPENED} ${this.#unopened.join(', ')}. See latchkey keys list.`
    return undefined
  }

  /** The public key for `kid`, as PEM. A Map, because a plain object would return a value for `constructor`. */
  find(kid: unknown): string | undefined {
    return typeof kid === 'string' ? this.#verifying.get(kid) : undefined
  }

  /** The public keys, RFC 7517, including a key that is published but does not sign yet. */
  publicJwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /**
   * The keys that are not retired, oldest first, with whether each decrypts with the secret, and whether with the first
   * secret.
   */
  list(): Promise<KeyState[]> {
    return this.#store.list()
  }

  /** Reads the keys again, to learn of keys that another process made, rotated or retired. */
  async reload(): Promise<void> {
    const rows = await this.#store.rows()
    const fingerprint = JSON.stringify(
      rows.map(({ kid, retiresAt, isSigning, sealedPrivateKey }) => [kid, retiresAt, isSigning, sealedPrivateKey]),
    )
    if (fingerprint === this.#fingerprint) return
    const keys = this.#store.openAll(rows).map((key) => ({ ...key, publicKey: createPublicKey(key.privateKey) }))
    const newest = keys.findLast(isSigning)
    if (newest?.kid !== this.#signer?.kid) this.#signer = newest && makeSigner(newest.kid, newest.privateKey)
    this.#verifying = new Map(
      keys.map(({ kid, publicKey }) => [kid, publicKey.export({ type: 'spki', format: 'pem' }).toString()]),
    )
    this.#jwks = {
      keys: keys.map(({ kid, publicKey }) => {
        return { ...(publicKey.export({ format: 'jwk' }) as PublicJwk), kid, use: 'sig', alg: ALGORITHM }
      }),
    }
    this.#unopened = rows.flatMap(({ kid }) => (this.#verifying.has(kid) ? [] : [kid]))
    this.#fingerprint = fingerprint
    this.generation += 1
  }

  /** Publishes the next key: see SigningKeyStore.rotate. */
  async rotate(options?: { atOnce?: boolean }): Promise<string | undefined> {
    const kid = await this.#store.rotate(options)
    await this.reload()
    return kid
  }

  /** Retires a key immediately: see SigningKeyStore.retire. */
  async retire(kid: string): Promise<boolean> {
    const isKnown = await this.#store.retire(kid)
    await this.reload()
    return isKnown
  }

  /** Re-encrypts all keys: see SigningKeyStore.reseal. */
  async reseal(): Promise<string[]> {
    const kids = await this.#store.reseal()
    await this.reload()
    return kids
  }
}

function makeSigner(kid: string, key: string): Signer {
  const signAs = (typ: TokenType) => createSigner({ algorithm: ALGORITHM, key, kid, header: { alg: ALGORITHM, typ } })
  return { kid, sign: { [TOKEN_TYPE]: signAs(TOKEN_TYPE), [COMPAT_TOKEN_TYPE]: signAs(COMPAT_TOKEN_TYPE) } }
}
