import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { and, eq, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { createSigner } from 'fast-jwt'
import { type Database, DatabaseError, type Db, within } from '../database/database.js'
import { Problem } from '../problems.js'
import { isOfNewest, seal, unseal } from './sealing.js'
import type { Secret } from './secret.js'
import { endingTooSoon, isLive, isSigning, OVERLAP_MS, prepareSelect, type Row } from './signing-key-rows.js'

/** The one signature algorithm, for signing and for verifying. */
export const ALGORITHM = 'ES256'
/** The `typ` of an access token, RFC 9068 section 2.1. */
export const TOKEN_TYPE = 'at+jwt'
/** The `typ` of the long-lived tokens that the tutorials' addresses give out: none that another service would check for. */
export const COMPAT_TOKEN_TYPE = 'compat+jwt'
const UNOPENED =
  'Signing keys in the database were sealed with another secret than this SECRET_KEY, or by a stranger, and are not used:'
/** How long a new key is published before it signs, so that whoever caches the JWKS knows it by then. */
const PUBLISH_AHEAD_MS = 10 * 60_000

/** A public key as RFC 7517 and RFC 7518 section 6.2 have it. */
type PublicJwk = Record<'kty' | 'crv' | 'x' | 'y' | 'kid' | 'use' | 'alg', string>

type TokenType = typeof TOKEN_TYPE | typeof COMPAT_TOKEN_TYPE

interface Signer {
  kid: string
  sign: Record<TokenType, (claims: object) => string>
}

/** A row whose seal opens, with its private key as PEM. */
type OpenKey = Row & { privateKey: string }

/** A key that is in no row yet. */
type NewKey = Record<'kid' | 'publicJwk' | 'sealedPrivateKey', string>

/**
 * The signing keys of this installation: kept in the database, their private halves sealed with the secret. Of a row nothing
 * is believed but its seal: who can write to the database, and does not know the secret, cannot add a key.
 *
 * Every change leaves a key that signs now, and no key ends while a token that it signed may be alive, but for a key that was
 * retired by name.
 */
export class Keys {
  readonly #database: Database
  readonly #sealingKeys: readonly Buffer[]
  readonly #select: ReturnType<typeof prepareSelect>
  #fingerprint = ''
  #verifying = new Map<string, string>()
  #signer: Signer | undefined
  #jwks: { keys: PublicJwk[] } = { keys: [] }
  #unopened: string[] = []
  /** Grows by one when the set of keys changes: what was verified before must be verified again. */
  generation = 0

  private constructor(database: Database, secret: Secret) {
    this.#database = database
    this.#sealingKeys = secret.derive('signing-key-seal')
    this.#select = prepareSelect(database)
  }

  /** Loads the keys, and makes one where none signs. @throws DatabaseError when another secret sealed them all */
  static async open(database: Database, secret: Secret): Promise<Keys> {
    const keys = new Keys(database, secret)
    await keys.reload()
    const rows = await keys.#select.execute()
    const opened = keys.#openAll(rows)
    if (!opened.some(isSigning) && rows.some(isSigning)) {
      throw new DatabaseError(
        'The signing keys in the database do not open with this SECRET_KEY. Start with the one they were made with; ' +
          'to change it, give both as "new,old".',
      )
    }
    if (!opened.some(isSigning) || endingTooSoon(opened).length > 0) await keys.#repair()
    return keys
  }

  /** Signs claims with the current key, as a token of this `typ`. @throws Problem not_ready when there is no key */
  sign(claims: object, type: TokenType = TOKEN_TYPE): string {
    return this.#currentSigner().sign[type](claims)
  }

  /** Asked before a session is begun or rotated, whose token could not be signed. @throws Problem not_ready */
  assertCanSign(): void {
    this.#currentSigner()
  }

  #currentSigner(): Signer {
    if (this.#signer === undefined) throw new Problem('not_ready', { detail: 'There is no signing key.' })
    return this.#signer
  }

  /** Whether there is a key to sign with. */
  get canSign(): boolean {
    return this.#signer !== undefined
  }

  /** What the operator should know: keys in the database that are not used; undefined when there are none. */
  concern(): string | undefined {
    if (this.#unopened.length > 0) return `${UNOPENED} ${this.#unopened.join(', ')}. See latchkey keys list.`
    return undefined
  }

  /** The public key that `kid` names, as PEM. From a Map: a plain object would find `constructor`. */
  find(kid: unknown): string | undefined {
    return typeof kid === 'string' ? this.#verifying.get(kid) : undefined
  }

  /** The public keys, RFC 7517, with the one that is published but does not sign yet. */
  publicJwks(): { keys: PublicJwk[] } {
    return this.#jwks
  }

  /** The keys that are not retired, the oldest first, whether each opens with the secret, and whether with the first one. */
  async list() {
    const rows = await this.#select.execute()
    return rows.map((row) => {
      const isOfFirstSecret = isOfNewest(row.sealedPrivateKey, row.kid, this.#sealingKeys)
      return { ...row, opens: this.#open(row).length > 0, isOfFirstSecret }
    })
  }

  /** Reads the keys again: how a key made, rotated or retired by another process arrives here. */
  async reload(): Promise<void> {
    const rows = await this.#select.execute()
    const fingerprint = JSON.stringify(
      rows.map(({ kid, retiresAt, isSigning, sealedPrivateKey }) => [kid, retiresAt, isSigning, sealedPrivateKey]),
    )
    if (fingerprint === this.#fingerprint) return
    const keys = this.#openAll(rows).map((key) => ({ ...key, publicKey: createPublicKey(key.privateKey) }))
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

  /**
   * Publishes the next key. It signs in ten minutes, and the others retire when no token of theirs can be alive; `atOnce`, for
   * a leak, the new key signs and all others retire now, with every token they signed.
   * Resolves to its kid, or to undefined when another process has just published one.
   */
  async rotate({ atOnce = false } = {}): Promise<string | undefined> {
    const { tables, now } = this.#database
    const { signingKeys } = tables
    const key = await this.#make()
    // Taken before the lock: of several processes that rotate at the same moment one succeeds, by the unique position.
    const position = (await this.#lastPosition()) + 1
    const isAdded = await this.#change(async (db) => {
      const hasSigner = this.#openAll(await within(db, this.#select).execute()).some(isSigning)
      const signsFrom = atOnce || !hasSigner ? now : sql`${now} + ${PUBLISH_AHEAD_MS}`
      const added = await this.#insert(db, { ...key, position, signsFrom })
      if (!added) return false
      const [retiresAt, isAffected] = atOnce
        ? [now, isLive(this.#database)]
        : [sql`${now} + ${PUBLISH_AHEAD_MS + OVERLAP_MS}`, isNull(signingKeys.retiresAt)]
      await db
        .update(signingKeys)
        .set({ retiresAt })
        .where(and(isAffected, ne(signingKeys.kid, key.kid)))
      return true
    })
    return isAdded ? key.kid : undefined
  }

  /**
   * Ends a key at once, for one that leaked: its tokens stop working. Where it signed, the next one signs now. False when
   * there is no such key.
   */
  async retire(kid: string): Promise<boolean> {
    const { tables, now } = this.#database
    const { signingKeys } = tables
    const spare = await this.#make()
    return this.#change(async (db) => {
      const signer = this.#openAll(await within(db, this.#select).execute()).findLast(isSigning)
      const [known] = await db
        .update(signingKeys)
        .set({ retiresAt: sql`case when ${isLive(this.#database)} then ${now} else ${signingKeys.retiresAt} end` })
        .where(eq(signingKeys.kid, kid))
        .returning({ kid: signingKeys.kid })
      if (known === undefined) return false
      if (signer === undefined || signer.kid === kid) await this.#appointSigner(db, spare)
      await this.#extend(db)
      return true
    })
  }

  /**
   * Seals anew with the first secret what another of the list has sealed: the others are not needed then. Resolves to the kids.
   */
  async reseal(): Promise<string[]> {
    const { signingKeys } = this.#database.tables
    return this.#change(async (db) => {
      const isOld = (row: Row) => !isOfNewest(row.sealedPrivateKey, row.kid, this.#sealingKeys)
      const keys = this.#openAll((await within(db, this.#select).execute()).filter(isOld))
      for (const { kid, privateKey } of keys) {
        const sealedPrivateKey = seal(privateKey, kid, this.#sealingKeys)
        await db.update(signingKeys).set({ sealedPrivateKey }).where(eq(signingKeys.kid, kid))
      }
      return keys.map(({ kid }) => kid)
    })
  }

  /** Sees to it that there is a signer and that no key ends too soon. */
  async #repair(): Promise<void> {
    // Taken before the lock, which an empty table has no row for: of several processes that start on it one succeeds.
    const position = (await this.#lastPosition()) + 1
    const spare = { ...(await this.#make()), position }
    await this.#change(async (db) => {
      const keys = this.#openAll(await within(db, this.#select).execute())
      if (!keys.some(isSigning)) await this.#appointSigner(db, spare)
      await this.#extend(db)
    })
  }

  /** Changes the keys in one transaction; of several, also in other processes, one at a time. */
  async #change<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    const { tables, forUpdate } = this.#database
    const { signingKeys } = tables
    const result = await this.#database.transaction(async (db) => {
      // One row stands for the table; no row is ever deleted.
      await db
        .select({ kid: signingKeys.kid })
        .from(signingKeys)
        .where(sql`${signingKeys.position} = (select min(position) from ${signingKeys}) ${forUpdate}`)
      return work(db)
    })
    await this.reload()
    return result
  }

  /** Lets the newest key that is published already sign now; where there is none, the spare one. */
  async #appointSigner(db: Db, spare: NewKey & { position?: number }): Promise<void> {
    const { tables, now } = this.#database
    const next = this.#openAll(await within(db, this.#select).execute()).findLast((key) => !isSigning(key))
    if (next === undefined) {
      const last = sql`(select coalesce(max(position), 0) + 1 from ${tables.signingKeys})`
      await this.#insert(db, { ...spare, position: spare.position ?? last, signsFrom: now })
    } else await db.update(tables.signingKeys).set({ signsFrom: now }).where(eq(tables.signingKeys.kid, next.kid))
  }

  async #extend(db: Db): Promise<void> {
    const { signingKeys } = this.#database.tables
    for (const { kid, retiresAt } of endingTooSoon(this.#openAll(await within(db, this.#select).execute()))) {
      await db.update(signingKeys).set({ retiresAt }).where(eq(signingKeys.kid, kid))
    }
  }

  /** Adds a key. False when the position is taken: another process has just added one. */
  async #insert(db: Db, key: NewKey & { position: number | SQL; signsFrom: SQL }): Promise<boolean> {
    const { tables, now } = this.#database
    const added = await db
      .insert(tables.signingKeys)
      .values({ ...key, createdAt: now })
      .onConflictDoNothing()
      .returning({ kid: tables.signingKeys.kid })
    return added.length > 0
  }

  async #lastPosition(): Promise<number> {
    const { db, tables } = this.#database
    const [row] = await db
      .select({ last: sql`coalesce(max(${tables.signingKeys.position}), 0)`.mapWith(Number) })
      .from(tables.signingKeys)
    return row?.last ?? 0
  }

  async #make(): Promise<NewKey> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    // Loaded here, because a process hardly ever makes a key.
    const { calculateJwkThumbprint, exportJWK } = await import('jose')
    const jwk = await exportJWK(publicKey)
    const kid = await calculateJwkThumbprint(jwk)
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    return { kid, publicJwk: JSON.stringify(jwk), sealedPrivateKey: seal(pem, kid, this.#sealingKeys) }
  }

  #openAll(rows: Row[]): OpenKey[] {
    return rows.flatMap((row) => this.#open(row))
  }

  #open(row: Row): OpenKey[] {
    const privateKey = unseal(row.sealedPrivateKey, row.kid, this.#sealingKeys)
    return privateKey === undefined ? [] : [{ ...row, privateKey }]
  }
}

function makeSigner(kid: string, key: string): Signer {
  const signAs = (typ: TokenType) => createSigner({ algorithm: ALGORITHM, key, kid, header: { alg: ALGORITHM, typ } })
  return { kid, sign: { [TOKEN_TYPE]: signAs(TOKEN_TYPE), [COMPAT_TOKEN_TYPE]: signAs(COMPAT_TOKEN_TYPE) } }
}
