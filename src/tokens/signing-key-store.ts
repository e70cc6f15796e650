import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { and, eq, isNull, ne, type SQL, sql } from 'drizzle-orm'
import { type Database, type Db, within } from '../database/database.js'
import { isOfNewest, seal, unseal } from './sealing.js'
import type { Secret } from './secret.js'
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

/** How long a new key is published before it signs, so that whoever caches the JWKS knows it by then. */
const PUBLISH_AHEAD_MS = 10 * 60_000

const RSA_BITS = 2_048
/** In the thread pool: an RSA key takes a processor up to a second. */
const makeKeyPair = promisify(generateKeyPair)

/** A row whose seal opens, with its private key as PEM. */
export type OpenKey = Row & { privateKey: string }

/** A key that is in no row yet. */
type NewKey = Record<'kid' | 'publicJwk' | 'sealedPrivateKey', string> & KeySet

/**
 * A set of signing keys in the database. Every change leaves a key that signs now, and no key ends while a token that it signed may
 * be alive, but for a key that was retired by name.
 */
export class SigningKeyStore {
  readonly #database: Database
  readonly #set: KeySet
  readonly #sealingKeys: readonly Buffer[]
  readonly #select: ReturnType<typeof prepareSelect>

  constructor(database: Database, secret: Secret, set: KeySet = ACCESS_KEYS) {
    this.#database = database
    this.#set = set
    this.#sealingKeys = secret.derive('signing-key-seal')
    this.#select = prepareSelect(database, set)
  }

  /** The keys that are not retired, the oldest first, whether their seal opens or not. */
  rows(): PromiseLike<Row[]> {
    return this.#select.execute()
  }

  /** As `rows`, for operators: whether each opens with the secret, and whether with the first one. */
  async list(): Promise<KeyState[]> {
    const rows = await this.rows()
    return rows.map((row) => ({
      ...row,
      opens: this.#open(row).length > 0,
      isOfFirstSecret: this.#isOfFirstSecret(row),
    }))
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
   * Ends a key at once, for one that leaked: its tokens stop working. Where it signed, the next one signs now. False when
   * there is no such key.
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
   * Seals anew with the first secret what another of the list has sealed: the others are not needed then. Resolves to the kids.
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

  /** Sees to it that there is a signer and that no key ends too soon. */
  async repair(): Promise<void> {
    // Taken before the lock, which an empty table has no row for: of several processes that start on it one succeeds.
    const position = (await this.#lastPosition()) + 1
    // Another set finds that row, and must not lose its place to a set that gets a key at the same moment.
    const spare = { ...(await this.#make()), ...(this.#set.use === 'access' && { position }) }
    await this.#change(async (db) => {
      const keys = this.openAll(await within(db, this.#select).execute())
      if (!keys.some(isSigning)) await this.#appointSigner(db, spare)
      await this.#extend(db)
    })
  }

  /** Changes the keys in one transaction; of several, also in other processes, one at a time. */
  #change<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    const { tables, forUpdate } = this.#database
    const { signingKeys } = tables
    return this.#database.transaction(async (db) => {
      // One row stands for the table; no row is ever deleted.
      await db
        .select({ kid: signingKeys.kid })
        .from(signingKeys)
        .where(sql`${signingKeys.position} = (select min(position) from ${signingKeys}) ${forUpdate}`)
      return work(db)
    })
  }

  /** Lets the newest key that is published already sign now; where there is none, the spare one. */
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
    // Loaded here, because a process hardly ever makes a key.
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

  /** Those of the rows whose seal opens. */
  openAll(rows: Row[]): OpenKey[] {
    return rows.flatMap((row) => this.#open(row))
  }

  #open(row: Row): OpenKey[] {
    const privateKey = unseal(row.sealedPrivateKey, sealNameOf(this.#set, row.kid), this.#sealingKeys)
    return privateKey === undefined ? [] : [{ ...row, privateKey }]
  }
}
