import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Secret } from './secret.js'
import { endingTooSoon, isSigning, type KeySet, type KeyState } from './signing-key-rows.js'
import { SigningKeyStore } from './signing-key-store.js'

/** The algorithms of id_tokens, RFC 7518. Every client supports RS256. */
export const ID_TOKEN_ALGORITHMS = ['RS256', 'ES256'] as const
type IdTokenAlgorithm = (typeof ID_TOKEN_ALGORITHMS)[number]

/** RSA takes about a millisecond, so it signs in the thread pool. ES256 takes less than the hand-over to the pool. */
const signInPool = promisify(sign)
const HASH = 'sha256'
/** The signature format of ES256, RFC 7518 section 3.4. RSA ignores it. */
const ENCODING = { dsaEncoding: 'ieee-p1363' } as const

type PublicJwk = Record<string, string>

interface Known {
  store: SigningKeyStore
  fingerprint: string
  /** Parsed once, because parsing a PEM takes longer than signing. */
  signer: { kid: string; privateKey: KeyObject } | undefined
  verifying: Map<string, KeyObject>
  /** Whether there are keys, including keys that cannot be decrypted. */
  hasRows: boolean
  making: Promise<void> | undefined
}

/**
 * The keys of id_tokens, one set per algorithm. They are separate from the access token keys and published separately:
 * a service that checks only `iss` and the signature must not accept an id_token, which every client gets, as an access
 * token.
 */
export class IdTokenKeys {
  readonly #sets: Record<IdTokenAlgorithm, Known>
  #jwks: { keys: PublicJwk[] } = { keys: [] }

  private constructor(database: Database, secret: Secret) {
    const known = (alg: IdTokenAlgorithm): Known => ({
      store: new SigningKeyStore(database, secret, { use: 'id_token', alg } satisfies KeySet),
      fingerprint: '',
      signer: undefined,
      verifying: new Map(),
      hasRows: false,
      making: undefined,
    })
    this.#sets = { RS256: known('RS256'), ES256: known('ES256') }
  }

  /** Loads the existing keys. Creates none, because there may never be a client that needs id_tokens. */
  static async open(database: Database, secret: Secret): Promise<IdTokenKeys> {
    const keys = new IdTokenKeys(database, secret)
    for (const { store } of Object.values(keys.#sets)) {
      if (endingTooSoon(store.openAll(await store.rows())).length > 0) await store.repair()
    }
    await keys.reload()
    return keys
  }

  /** Makes the first key of an algorithm if there is none. Concurrent calls share one attempt. */
  async ensure(alg: IdTokenAlgorithm): Promise<void> {
    const set = this.#sets[alg]
    // Leaves keys of another secret alone: the operator must decide.
    if (set.signer !== undefined || set.hasRows) return
    set.making ??= set.store
      .repair()
      .then(() => this.reload())
      .finally(() => {
        set.making = undefined
      })
    await set.making
  }

  /** Signs the claims as a JWT. @throws Problem not_ready when no key can be decrypted */
  async sign(alg: IdTokenAlgorithm, claims: object): Promise<string> {
    await this.ensure(alg)
    const { signer } = this.#sets[alg]
    if (signer === undefined) throw new Problem('not_ready', { detail: `There is no signing key for ${alg}.` })
    const text = `${encode({ alg, typ: 'JWT', kid: signer.kid })}.${encode(claims)}`
    const [bytes, key] = [Buffer.from(text), { key: signer.privateKey, ...ENCODING }]
    const signature = alg === 'RS256' ? await signInPool(HASH, bytes, key) : sign(HASH, bytes, key)
    return `${text}.${signature.toString('base64url')}`
  }

  /** The claims of a JWT signed with one of these keys, expired or not; otherwise undefined. */
  read(token: string): Record<string, unknown> | undefined {
    const [head = '', body = '', signature = '', ...more] = token.split('.')
    if (more.length > 0) return undefined
    try {
      const { alg, kid } = decode(head)
      if (alg !== 'RS256' && alg !== 'ES256') return undefined
      const key = this.#sets[alg].verifying.get(String(kid))
      if (key === undefined) return undefined
      const [text, bytes] = [Buffer.from(`${head}.${body}`), Buffer.from(signature, 'base64url')]
      return verify(HASH, text, { key, ...ENCODING }, bytes) ? decode(body) : undefined
    } catch {
      return undefined
    }
  }

  /** Whether every algorithm with keys has a signing key. */
  get canSign(): boolean {
    return Object.values(this.#sets).every(({ hasRows, signer }) => !hasRows || signer !== undefined)
  }

  /** The public keys, RFC 7517, including keys that do not sign yet. */
  publicJwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /** Reads the keys again, like `Keys.reload`. */
  async reload(): Promise<void> {
    const changes = await Promise.all(Object.values(this.#sets).map(learn))
    if (!changes.includes(true)) return
    const keys = Object.entries(this.#sets).flatMap(([alg, { verifying }]) =>
      [...verifying].map(([kid, key]) => {
        return { ...(key.export({ format: 'jwk' }) as PublicJwk), kid, use: 'sig', alg }
      }),
    )
    this.#jwks = { keys }
  }

  /** The keys that are not retired. */
  async list(): Promise<KeyState[]> {
    return (await Promise.all(this.#stores.map((store) => store.list()))).flat()
  }

  /** Publishes the next key of each algorithm in use: see SigningKeyStore.rotate. */
  async rotate(options?: { atOnce?: boolean }): Promise<string[]> {
    const used = Object.values(this.#sets).filter(({ hasRows }) => hasRows)
    const kids: (string | undefined)[] = []
    for (const { store } of used) kids.push(await store.rotate(options))
    await this.reload()
    return kids.filter((kid) => kid !== undefined)
  }

  /** Retires a key immediately: see SigningKeyStore.retire. */
  async retire(kid: string): Promise<boolean> {
    let isKnown = false
    for (const store of this.#stores) isKnown = (await store.retire(kid)) || isKnown
    await this.reload()
    return isKnown
  }

  /** Re-encrypts all keys: see SigningKeyStore.reseal. */
  async reseal(): Promise<string[]> {
    const kids: string[] = []
    for (const store of this.#stores) kids.push(...(await store.reseal()))
    return kids
  }

  get #stores(): SigningKeyStore[] {
    return Object.values(this.#sets).map(({ store }) => store)
  }
}

/** Updates the set from the database. Resolves to whether anything has changed. */
async function learn(set: Known): Promise<boolean> {
  const rows = await set.store.rows()
  const fingerprint = JSON.stringify(
    rows.map(({ kid, isSigning, sealedPrivateKey }) => [kid, isSigning, sealedPrivateKey]),
  )
  if (fingerprint === set.fingerprint) return false
  const keys = set.store.openAll(rows)
  const signer = keys.findLast(isSigning)
  set.signer = signer && { kid: signer.kid, privateKey: createPrivateKey(signer.privateKey) }
  set.verifying = new Map(keys.map(({ kid, privateKey }) => [kid, createPublicKey(privateKey)]))
  set.hasRows = rows.length > 0
  set.fingerprint = fingerprint
  return true
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString())
}
