import { createCipheriv, createDecipheriv, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { and, asc, eq, isNull, ne, or, type SQL, sql } from 'drizzle-orm'
import { createSigner } from 'fast-jwt'
import { type Database, DatabaseError } from './database.js'
import type { Secret } from './secret.js'

/** The one signature algorithm, for signing and for verifying. */
export const ALGORITHM = 'ES256'
/** The `typ` of an access token, RFC 9068 section 2.1. */
export const TOKEN_TYPE = 'at+jwt'
/** How long a new key is published before it signs, so that whoever caches the JWKS knows it by then. */
const PUBLISH_AHEAD_MS = 10 * 60_000
/** How long a key still verifies after it stopped signing: longer than any token lives. */
const OVERLAP_MS = 25 * 3_600_000

/** A public key as RFC 7517 and RFC 7518 section 6.2 have it. */
type PublicJwk = Record<'kty' | 'crv' | 'x' | 'y' | 'kid' | 'use' | 'alg', string>

interface Signer {
  kid: string
  sign: (claims: object) => string
}

/** The signing keys of this installation: kept in the database, their private halves sealed with the secret. */
export class Keys {
  readonly #database: Database
  readonly #sealingKeys: readonly Buffer[]
  readonly #select: ReturnType<typeof prepareSelect>
  #fingerprint = ''
  #verifying = new Map<string, string>()
  #signer: Signer | undefined
  #jwks: { keys: PublicJwk[] } = { keys: [] }
  /** Grows by one when the set of keys changes: what was verified before must be verified again. */
  generation = 0

  private constructor(database: Database, secret: Secret) {
    this.#database = database
    this.#sealingKeys = secret.derive('signing-key-seal')
    this.#select = prepareSelect(database)
  }

  /** Loads the keys and makes the first one. @throws DatabaseError when another secret sealed them. */
  static async open(database: Database, secret: Secret): Promise<Keys> {
    const keys = new Keys(database, secret)
    await keys.reload()
    if (keys.#signer === undefined) {
      await keys.#add(database.now, sql`1`)
      await keys.reload()
    }
    return keys
  }

  /** Signs an access token of these claims with the current key. */
  sign(claims: object): string {
    if (this.#signer === undefined) throw new Error('There is no signing key')
    return this.#signer.sign(claims)
  }

  /** The public key that `kid` names, as PEM. From a Map: a plain object would find `constructor`. */
  find(kid: unknown): string | undefined {
    return typeof kid === 'string' ? this.#verifying.get(kid) : undefined
  }

  /** The public keys, RFC 7517, with the one that is published but does not sign yet. */
  publicJwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /** The keys that are not retired, the oldest first. */
  list() {
    return this.#select.execute()
  }

  /** Reads the keys again: how a key made, rotated or retired by another process arrives here. */
  async reload(): Promise<void> {
    const rows = await this.#select.execute()
    const newest = rows.findLast((row) => row.isSigning === 1)
    const fingerprint = JSON.stringify([newest?.kid, rows.map(({ kid, retiresAt }) => [kid, retiresAt])])
    if (fingerprint === this.#fingerprint) return
    if (newest && newest.kid !== this.#signer?.kid) {
      this.#signer = makeSigner(newest.kid, unseal(newest.sealedPrivateKey, newest.kid, this.#sealingKeys))
    }
    this.#verifying = new Map(rows.map((row) => [row.kid, toPem(row.publicJwk)]))
    this.#jwks = {
      keys: rows.map(({ kid, publicJwk }) => ({ ...JSON.parse(publicJwk), kid, use: 'sig', alg: ALGORITHM })),
    }
    this.#fingerprint = fingerprint
    this.generation += 1
  }

  /**
   * Stages the next key: published now, signing in ten minutes; the others retire when no token of theirs can be alive.
   * Resolves to its kid, or to undefined when another process has just staged one.
   */
  async rotate(): Promise<string | undefined> {
    const { db, tables, now } = this.#database
    const kid = await this.#add(sql`${now} + ${PUBLISH_AHEAD_MS}`)
    if (kid !== undefined) {
      await db
        .update(tables.signingKeys)
        .set({ retiresAt: sql`${now} + ${PUBLISH_AHEAD_MS + OVERLAP_MS}` })
        .where(and(isNull(tables.signingKeys.retiresAt), ne(tables.signingKeys.kid, kid)))
    }
    await this.reload()
    return kid
  }

  /** Ends a key at once, for one that leaked: its tokens stop working. False when there is no such key. */
  async retire(kid: string): Promise<boolean> {
    const { db, tables, now } = this.#database
    if (this.#signer?.kid === kid) await this.#add(now)
    const retired = await db
      .update(tables.signingKeys)
      .set({ retiresAt: now })
      .where(eq(tables.signingKeys.kid, kid))
      .returning({ kid: tables.signingKeys.kid })
    await this.reload()
    return retired.length > 0
  }

  /**
   * Adds a key, after the last one or, for the first key, at the first position: another process may have made it since
   * this one looked. Of several that do so at the same moment one succeeds, by the unique position.
   */
  async #add(signsFrom: SQL, position?: SQL): Promise<string | undefined> {
    const { db, tables, now } = this.#database
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    // Loaded here, because a process makes a key once in its installation's life.
    const { calculateJwkThumbprint, exportJWK } = await import('jose')
    const jwk = await exportJWK(publicKey)
    const kid = await calculateJwkThumbprint(jwk)
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const [added] = await db
      .insert(tables.signingKeys)
      .values({
        kid,
        position: position ?? sql`(select coalesce(max(position), 0) + 1 from ${tables.signingKeys})`,
        publicJwk: JSON.stringify(jwk),
        sealedPrivateKey: seal(pem, kid, this.#sealingKeys),
        createdAt: now,
        signsFrom,
      })
      .onConflictDoNothing()
      .returning({ kid: tables.signingKeys.kid })
    return added?.kid
  }
}

function prepareSelect({ db, tables: { signingKeys }, now }: Database) {
  return db
    .select({
      kid: signingKeys.kid,
      publicJwk: signingKeys.publicJwk,
      sealedPrivateKey: signingKeys.sealedPrivateKey,
      signsFrom: signingKeys.signsFrom,
      retiresAt: signingKeys.retiresAt,
      isSigning: sql<number>`case when ${signingKeys.signsFrom} <= ${now} then 1 else 0 end`.mapWith(Number),
    })
    .from(signingKeys)
    .where(or(isNull(signingKeys.retiresAt), sql`${signingKeys.retiresAt} > ${now}`))
    .orderBy(asc(signingKeys.position))
    .prepare('select_signing_keys')
}

function makeSigner(kid: string, key: string): Signer {
  return { kid, sign: createSigner({ algorithm: ALGORITHM, key, kid, header: { alg: ALGORITHM, typ: TOKEN_TYPE } }) }
}

function toPem(publicJwk: string): string {
  return createPublicKey({ key: JSON.parse(publicJwk), format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString()
}

const SEAL_CIPHER = 'aes-256-gcm'
const SEAL_IV_BYTES = 12
const SEAL_TAG_BYTES = 16

/** Encrypts a private key with the newest sealing key, bound to its kid. */
function seal(pem: string, kid: string, [key]: readonly Buffer[]): string {
  if (key === undefined) throw new Error('There is no sealing key')
  const iv = randomBytes(SEAL_IV_BYTES)
  const cipher = createCipheriv(SEAL_CIPHER, key, iv).setAAD(Buffer.from(kid))
  const sealed = Buffer.concat([cipher.update(pem), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
}

function unseal(text: string, kid: string, keys: readonly Buffer[]): string {
  const bytes = Buffer.from(text, 'base64url')
  const iv = bytes.subarray(0, SEAL_IV_BYTES)
  const tag = bytes.subarray(SEAL_IV_BYTES, SEAL_IV_BYTES + SEAL_TAG_BYTES)
  const sealed = bytes.subarray(SEAL_IV_BYTES + SEAL_TAG_BYTES)
  for (const key of keys) {
    try {
      const decipher = createDecipheriv(SEAL_CIPHER, key, iv).setAAD(Buffer.from(kid)).setAuthTag(tag)
      return Buffer.concat([decipher.update(sealed), decipher.final()]).toString()
    } catch {
      // Sealed with another secret of the list: try the next.
    }
  }
  throw new DatabaseError(
    'The signing keys in the database do not open with this SECRET_KEY. Start with the one they were made with; ' +
      'to change it, give both as "new,old".',
  )
}
