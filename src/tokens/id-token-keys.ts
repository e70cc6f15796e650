import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { Database } from '../database/database.js'
import { Problem } from '../problems.js'
import type { Secret } from './secret.js'
import { endingTooSoon, isSigning, type KeySet, type KeyState } from './signing-key-rows.js'
import { SigningKeyStore } from './signing-key-store.js'

/** The algorithms of id_tokens, RFC 7518: RS256 is the one that every client knows. */
export const ID_TOKEN_ALGORITHMS = ['RS256', 'ES256'] as const
export type IdTokenAlgorithm = (typeof ID_TOKEN_ALGORITHMS)[number]

/** RSA signs in the thread pool, because it takes a millisecond; ES256 takes less than the way there and back. */
const signInPool = promisify(sign)
const HASH = 'sha256'
/** How a signature of ES256 is written, RFC 7518 section 3.4; means nothing to RSA. */
const ENCODING = { dsaEncoding: 'ieee-p1363' } as const

type PublicJwk = Record<string, string>

interface Known {
  store: SigningKeyStore
  fingerprint: string
  /** Its key is parsed once: to read a PEM takes longer than to sign with it. */
  signer: { kid: string; privateKey: KeyObject } | undefined
  verifying: Map<string, KeyObject>
  /** Whether there are keys, also such as do not open. */
  hasRows: boolean
  making: Promise<void> | undefined
}

/**
 * The keys of id_tokens, a set for each algorithm. They are apart from those of access tokens, and published apart: a service that
 * checks nothing but `iss` and the signature must not take an id_token, which every client gets, for an access token.
 */
export class IdTokenKeys {
  readonly #sets: Record<IdTokenAlgorithm, Known>
  #jwks: { keys: PublicJwk[] } = { keys: [] }

  private constructor(database: Database, secret: Secret) {
    const known = (alg: IdTokenAlgorithm): Known => ({
      store: new SigningKeyStore(database, secret, { use: 'id_token', alg } satisfies KeySet),
      ...{ fingerprint: '', signer: undefined, verifying: new Map(), hasRows: false, making: undefined },
    })
    this.#sets = { RS256: known('RS256'), ES256: known('ES256') }
  }

  /** Loads the keys that there are. None is made: no client may ever need one. */
  static async open(database: Database, secret: Secret): Promise<IdTokenKeys> {
    const keys = new IdTokenKeys(database, secret)
    for (const { store } of Object.values(keys.#sets)) {
      if (endingTooSoon(store.openAll(await store.rows())).length > 0) await store.repair()
    }
    await keys.reload()
    return keys
  }

  /** Makes the first key of an algorithm, where there is none; of several calls at once, one does. */
  async ensure(alg: IdTokenAlgorithm): Promise<void> {
    const set = this.#sets[alg]
    // Keys of another secret are left alone: an operator has to look.
    if (set.signer !== undefined || set.hasRows) return
    set.making ??= set.store
      .repair()
      .then(() => this.reload())
      .finally(() => {
        set.making = undefined
      })
    await set.making
  }

  /** A JWT of these claims. @throws Problem not_ready when there is no key that opens */
  async sign(alg: IdTokenAlgorithm, claims: object): Promise<string> {
    await this.ensure(alg)
    const { signer } = this.#sets[alg]
    if (signer === undefined) throw new Problem('not_ready', { detail: `There is no signing key for ${alg}.` })
    const text = `${encode({ alg, typ: 'JWT', kid: signer.kid })}.${encode(claims)}`
    const [bytes, key] = [Buffer.from(text), { key: signer.privateKey, ...ENCODING }]
    const signature = alg === 'RS256' ? await signInPool(HASH, bytes, key) : sign(HASH, bytes, key)
    return `${text}.${signature.toString('base64url')}`
  }

  /** The claims of a JWT that one of these keys signed, expired or not; undefined for everything else. */
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

  /** Whether every algorithm that has keys has one to sign with. */
  get canSign(): boolean {
    return Object.values(this.#sets).every(({ hasRows, signer }) => !hasRows || signer !== undefined)
  }

  /** The public keys, RFC 7517, those that do not sign yet included. */
  publicJwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /** Reads the keys again, as `Keys.reload`. */
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

  /** Publishes the next key of each algorithm that has one, as SigningKeyStore does. */
  async rotate(options?: { atOnce?: boolean }): Promise<string[]> {
    const used = Object.values(this.#sets).filter(({ hasRows }) => hasRows)
    const kids: (string | undefined)[] = []
    for (const { store } of used) kids.push(await store.rotate(options))
    await this.reload()
    return kids.filter((kid) => kid !== undefined)
  }

  /** Ends a key at once, as SigningKeyStore does. */
  async retire(kid: string): Promise<boolean> {
    let isKnown = false
    for (const store of this.#stores) isKnown = (await store.retire(kid)) || isKnown
    await this.reload()
    return isKnown
  }

  /** Seals all keys anew, as SigningKeyStore does. */
  async reseal(): Promise<string[]> {
    const kids: string[] = []
    for (const store of this.#stores) kids.push(...(await store.reseal()))
    return kids
  }

  get #stores(): SigningKeyStore[] {
    return Object.values(this.#sets).map(({ store }) => store)
  }
}

/** Resolves to whether anything has changed. */
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
