import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { and, eq, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { type Database, type Db, within } from '../database/database.js'
import { isOfNewest, seal, unseal } from './sealing.js'
import type { DerivedKeys, Secret } from './secret.js'
import {
  ACCESS_KEYS,
  endingTooSoon,
  isLive,
  isOf,
  isSigning,
  type KeySet,
  type KeyState,
  OVERLAP_MS,
  prepareSelect,
  type Row,
  sealNameOf,
} from './signing-key-rows.js'

/** How long a new key is published before it signs, so that services that cache the JWKS have it by then. */
const PUBLISH_AHEAD_MS = 10 * 60_000

const RSA_BITS = 2_048
/** Runs in the thread pool: generating an RSA key takes up to a second of CPU time. */
const makeKeyPair = promisify(generateKeyPair)

/** A row whose private key was decrypted, with the private key as PEM. */
type OpenKey = Row & { privateKey: string }

/** A key that is not stored yet. */
type NewKey = Record<'kid' | 'publicJwk' | 'sealedPrivateKey', string> & KeySet

/**
 * A set of signing keys in the database. After every change there is a key that signs, and no key retires while one of
 * its tokens may be valid, unless an operator retires the key.
 */
export class SigningKeyStore {
  readonly #database: Database
  readonly #set: KeySet
  readonly #sealingKeys: DerivedKeys
  readonly #select: ReturnType<typeof prepareSelect>

  constructor(database: Database, secret: Secret, set: KeySet = ACCESS_KEYS) {
    this.#database = database
    this.#set = set
    this.#sealingKeys = secret.derive('signing-key-seal')
    this.#select = prepareSelect(database, set)
  }

  /** The keys that are not retired, oldest first, whether or not they can be decrypted. */
  rows(): PromiseLike<Row[]> {
    return this.#select.execute()
  }

  /** Like `rows`, for operators: with whether each key decrypts with the secret, and whether with the first secret. */
  async list(): Promise<KeyState[]> {
    const rows = await this.rows()
    return rows.map((row) => ({
      ...row,
      opens: this.#open(row).length > 0,
      isOfFirstSecret: this.#isOfFirstSecret(row),
    }))
  }

  /**
   * Publishes the next key. The new key signs after ten minutes; the other keys retire when their last tokens have
   * expired. With `atOnce`, for a leak, the new key signs now and all other keys retire now, which invalidates their
   * tokens. Resolves to the new kid, or to undefined if another process has just published a key.
   */
  async rotate({ atOnce = false } = {}): Promise<string | undefined> {
    const { tables, now } = this.#database
    const { signingKeys } = tables
    const key = await this.#make()
    // Read before the lock, so that processes that rotate at the same moment choose the same position. The unique index
    // lets only one succeed.
    const position = (await this.#lastPosition()) + 1
    const isAdded = await this.#change(async (db) => {
      const hasSigner = this.openAll(await within(db, this.#select).execute()).some(isSigning)
      const signsFrom = atOnce || !hasSigner ? now : sql`${now} + ${PUBLISH_AHEAD_MS}`
      const added = await this.#insert(db, { ...key, position, signsFrom })
      if (!added) return false
      const [retiresAt, isAffected] = atOnce
        ? [now, isLive(this.#database)]
        : [sql`${now} + ${PUBLISH_AHEAD_MS + OVERLAP_MS}`, isNull(signingKeys.retiresAt)]
      await db
        .update(signingKeys)
        .set({ retiresAt })
        .where(and(isOf(this.#set, tables), isAffected, ne(signingKeys.kid, key.kid)))
      return true
    })
    return isAdded ? key.kid : undefined
  }

  /**
   * Retires a leaked key immediately, which invalidates its tokens. If the key was signing, the next key signs now.
   * False if there is no such key.
   */
  async retire(kid: string): Promise<boolean> {
    const { tables, now } = this.#database
    const { signingKeys } = tables
    if (!(await this.#has(kid))) return false
    const spare = await this.#make()
    return this.#change(async (db) => {
      const signer = this.openAll(await within(db, this.#select).execute()).findLast(isSigning)
      const [known] = await db
        .update(signingKeys)
        .set({ retiresAt: sql`case when ${isLive(this.#database)} then ${now} else ${signingKeys.retiresAt} end` })
        .where(and(isOf(this.#set, tables), eq(signingKeys.kid, kid)))
        .returning({ kid: signingKeys.kid })
      if (known === undefined) return false
      if (signer === undefined || signer.kid === kid) await this.#appointSigner(db, spare)
      await this.#extend(db)
      return true
    })
  }

  /**
   * Re-encrypts with the first secret all keys that another secret of the list encrypted. The other secrets are then no
   * longer needed. Resolves to the kids.
   */
  async reseal(): Promise<string[]> {
    const { signingKeys } = this.#database.tables
    return this.#change(async (db) => {
      const keys = this.openAll((await within(db, this.#select).execute()).filter((row) => !this.#isOfFirstSecret(row)))
      for (const { kid, privateKey } of keys) {
        const sealedPrivateKey = seal(privateKey, sealNameOf(this.#set, kid), this.#sealingKeys)
        await db.update(signingKeys).set({ sealedPrivateKey }).where(eq(signingKeys.kid, kid))
      }
      return keys.map(({ kid }) => kid)
    })
  }

  /** Ensures that a key signs and that no key retires too soon. */
  async repair(): Promise<void> {
    // Read before the lock, because an empty table has no row to lock. Processes that start together choose the same
    // position, and the unique index lets only one succeed.
    const position = (await this.#lastPosition()) + 1
    // Other sets find a row to lock. They take their position under the lock, so that two sets cannot choose the same
    // position.
    const spare = { ...(await this.#make()), ...(this.#set.use === 'access' && { position }) }
    await this.#change(async (db) => {
      const keys = this.openAll(await within(db, this.#select).execute())
      if (!keys.some(isSigning)) await this.#appointSigner(db, spare)
      await this.#extend(db)
    })
  }

  /** Changes the keys in a transaction. The lock serialises changes across processes. */
  #change<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    const { tables, forUpdate } = this.#database
    const { signingKeys } = tables
    return this.#database.transaction(async (db) => {
      // Locks the first row on behalf of the table. Rows are never deleted.
      await db
        .select({ kid: signingKeys.kid })
        .from(signingKeys)
        .where(sql`${signingKeys.position} = (select min(position) from ${signingKeys}) ${forUpdate}`)
      return work(db)
    })
  }

  /** Lets the newest published key sign now. Inserts the spare key if there is none. */
  async #appointSigner(db: Db, spare: NewKey & { position?: number }): Promise<void> {
    const { tables, now } = this.#database
    const next = this.openAll(await within(db, this.#select).execute()).findLast((key) => !isSigning(key))
    if (next === undefined) {
      const last = sql`(select coalesce(max(position), 0) + 1 from ${tables.signingKeys})`
      await this.#insert(db, { ...spare, position: spare.position ?? last, signsFrom: now })
    } else await db.update(tables.signingKeys).set({ signsFrom: now }).where(eq(tables.signingKeys.kid, next.kid))
  }

  async #extend(db: Db): Promise<void> {
    const { signingKeys } = this.#database.tables
    for (const { kid, retiresAt } of endingTooSoon(this.openAll(await within(db, this.#select).execute()))) {
      await db.update(signingKeys).set({ retiresAt }).where(eq(signingKeys.kid, kid))
    }
  }

  /** Inserts a key. False if the position is taken: another process has just inserted a key. */
  async #insert(db: Db, key: NewKey & { position: number | SQL; signsFrom: SQL }): Promise<boolean> {
    const { tables, now } = this.#database
    const added = await db
      .insert(tables.signingKeys)
      .values({ ...key, createdAt: now })
      .onConflictDoNothing()
      .returning({ kid: tables.signingKeys.kid })
    return added.length > 0
  }

  async #has(kid: string): Promise<boolean> {
    const { db, tables } = this.#database
    return (await db.$count(tables.signingKeys, and(isOf(this.#set, tables), eq(tables.signingKeys.kid, kid)))) > 0
  }

  async #lastPosition(): Promise<number> {
    const { db, tables } = this.#database
    const [row] = await db
      .select({ last: sql`coalesce(max(${tables.signingKeys.position}), 0)`.mapWith(Number) })
      .from(tables.signingKeys)
    return row?.last ?? 0
  }

  async #make(): Promise<NewKey> {
    const { privateKey, publicKey } =
      this.#set.alg === 'ES256'
        ? await makeKeyPair('ec', { namedCurve: 'P-256' })
        : await makeKeyPair('rsa', { modulusLength: RSA_BITS })
    // Imported here, because a process rarely creates a key.
    const { calculateJwkThumbprint, exportJWK } = await import('jose')
    const jwk = await exportJWK(publicKey)
    const kid = await calculateJwkThumbprint(jwk)
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const sealedPrivateKey = seal(pem, sealNameOf(this.#set, kid), this.#sealingKeys)
    return { ...this.#set, kid, publicJwk: JSON.stringify(jwk), sealedPrivateKey }
  }

  #isOfFirstSecret({ sealedPrivateKey, kid }: Row): boolean {
    return isOfNewest(sealedPrivateKey, sealNameOf(this.#set, kid), this.#sealingKeys)
  }

  /** The rows whose private key can be decrypted. */
  openAll(rows: Row[]): OpenKey[] {
    return rows.flatMap((row) => this.#open(row))
  }

  #open(row: Row): OpenKey[] {
    const privateKey = unseal(row.sealedPrivateKey, sealNameOf(this.#set, row.kid), this.#sealingKeys)
    return privateKey === undefined ? [] : [{ ...row, privateKey }]
  }
}
