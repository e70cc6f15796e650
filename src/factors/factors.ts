import { randomBytes, randomUUID } from 'node:crypto'
import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import { and, count, eq, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import type { Client } from '../audit/requester.js'
import { type Database, type Db, sole, type Tables, within } from '../database/database.js'
import { Problem } from '../problems.js'
import type { DataKey } from '../tokens/data-key.js'
import { seal, unseal } from '../tokens/sealing.js'
import { prepareFactorList } from './factor-list.js'
import type { Passkeys } from './passkeys.js'
import { makeRecoveryCodes, readRecoveryCode, recoveryCodeHash } from './recovery-codes.js'
import { base32, readTotpCode, SECRET_BYTES, stepOf } from './totp.js'

export type Factor = Tables['factors']['$inferSelect']

/** A code that a user types. */
export type ShownCode = { totp: string } | { recoveryCode: string }

/** A second factor that a user shows. */
export type ShownFactor = ShownCode | { passkey: AuthenticationResponseJSON }

/** The problem for a wrong factor. */
export function wrongFactor(shown: ShownFactor): Problem {
  return new Problem('passkey' in shown ? 'passkey_rejected' : 'wrong_code')
}

/** How a second factor can be shown. */
export type Method = 'totp' | 'passkey' | 'recovery_code'

/** A right second factor. */
export interface UsedFactor {
  /** As in RFC 8176. */
  amr: string
  /**
   * Uses up the passkey's challenge, within the transaction of the log-in or change.
   * @throws Problem if it was used before
   */
  spend?(db: Db): Promise<void>
}

/**
 * Stores and verifies second factors. Callers decide what a factor is needed for, and pass the transaction of the
 * change. A code is valid once.
 */
export class Factors {
  readonly #database: Database
  readonly #passkeys: Passkeys
  readonly #sealingKey: Buffer
  readonly #codeKey: Buffer
  readonly #statements: ReturnType<typeof prepareStatements>

  constructor(database: Database, dataKey: DataKey, passkeys: Passkeys) {
    this.#database = database
    this.#passkeys = passkeys
    this.#sealingKey = dataKey.derive('totp-secret')
    this.#codeKey = dataKey.derive('recovery-code')
    this.#statements = prepareStatements(database)
  }

  /** The methods by which this user can show a second factor; empty if there is none. */
  async methodsOf(userId: number, db = this.#database.db): Promise<Method[]> {
    const { totp, passkeys, codes } = sole(await within(db, this.#statements.methods).execute({ userId }))
    if (totp + passkeys === 0) return []
    const counts: [Method, number][] = [
      ['totp', totp],
      ['passkey', passkeys],
      ['recovery_code', codes],
    ]
    return counts.filter(([, count]) => count > 0).map(([method]) => method)
  }

  /**
   * The factor, if it belongs to the user and is right. A code is valid once: of concurrent uses, one succeeds. A
   * passkey is used up by `spend`.
   */
  async use(userId: number, shown: ShownFactor, client: Client): Promise<UsedFactor | undefined> {
    if ('passkey' in shown) return this.#passkeys.verify(shown.passkey, client, userId).catch(undefinedIfRejected)
    const isRight = await ('totp' in shown
      ? this.#useTotp(userId, shown.totp)
      : this.#useRecoveryCode(userId, shown.recoveryCode))
    return isRight ? { amr: 'otp' } : undefined
  }

  /** The confirmed factors of a user, the oldest first. */
  async list(userId: number, db = this.#database.db): Promise<Factor[]> {
    return within(db, this.#statements.list).execute({ userId })
  }

  /** How many unused recovery codes a user has. */
  async recoveryCodesLeft(userId: number): Promise<number> {
    return sole(await this.#statements.methods.execute({ userId })).codes
  }

  /** Begins a TOTP factor, and replaces an unconfirmed one. The secret is returned only here. */
  async begin(db: Db, userId: number, name: string | null): Promise<{ id: string; secret: Buffer }> {
    const { tables, now } = this.#database
    const { factors } = tables
    await db.delete(factors).where(and(eq(factors.userId, userId), isNull(factors.confirmedAt)))
    const [id, secret] = [randomUUID(), randomBytes(SECRET_BYTES)]
    const sealed = seal(secret.toString('base64url'), id, [this.#sealingKey])
    await db.insert(factors).values({ id, userId, kind: 'totp', name, secret: sealed, createdAt: now })
    return { id, secret }
  }

  /** Whether the user has an unconfirmed factor with the secret of this URI. A later one has replaced it otherwise. */
  async hasBegun(userId: number, uri: string): Promise<boolean> {
    const [row] = await this.#statements.begun.execute({ userId })
    const secret = row && this.#secretOf(row)
    return secret !== undefined && new URL(uri).searchParams.get('secret') === base32(secret)
  }

  /** Confirms the factor that was begun, by its first code. Resolves to its id; undefined if the code is wrong. */
  async confirm(db: Db, userId: number, text: string): Promise<string | undefined> {
    const [row] = await within(db, this.#statements.begun).execute({ userId })
    const step = row && this.#stepOf(row, readTotpCode(text))
    if (row === undefined || step === undefined) return undefined
    const { factors } = this.#database.tables
    const isBegun = and(eq(factors.id, row.id), isNull(factors.confirmedAt))
    const changes = { confirmedAt: this.#database.now, lastStep: step }
    const [confirmed] = await db.update(factors).set(changes).where(isBegun).returning({ id: factors.id })
    return confirmed?.id
  }

  /** Renames a factor of a user. False if the user has no such factor. */
  async rename(userId: number, id: string, name: string | null): Promise<boolean> {
    const { db, tables } = this.#database
    const { factors } = tables
    const isTheirs = and(eq(factors.id, id), eq(factors.userId, userId), isNotNull(factors.confirmedAt))
    return (await db.update(factors).set({ name }).where(isTheirs).returning({ id: factors.id })).length > 0
  }

  /**
   * Removes one or all factors of a user, within the transaction of `db`. Without a factor left, deletes the recovery
   * codes.
   */
  async remove(db: Db, userId: number, id?: string): Promise<Factor[]> {
    const { factors, recoveryCodes } = this.#database.tables
    const isMeant = and(eq(factors.userId, userId), id === undefined ? undefined : eq(factors.id, id))
    const removed = await db.delete(factors).where(isMeant).returning()
    if ((await this.methodsOf(userId, db)).length === 0) {
      await db.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId))
    }
    return removed.filter(({ confirmedAt }) => confirmedAt !== null)
  }

  /** Replaces the recovery codes, within the transaction of `db`. The codes are returned only here. */
  async replaceRecoveryCodes(db: Db, userId: number): Promise<string[]> {
    const { recoveryCodes } = this.#database.tables
    const codes = makeRecoveryCodes()
    await db.delete(recoveryCodes).where(eq(recoveryCodes.userId, userId))
    const rows = codes.map((code) => ({ userId, codeHash: this.#hashOf(userId, code) ?? '' }))
    await db.insert(recoveryCodes).values(rows)
    return codes
  }

  async #useTotp(userId: number, text: string): Promise<boolean> {
    const code = readTotpCode(text)
    const rows = await this.#statements.secrets.execute({ userId })
    for (const row of rows) {
      const step = this.#stepOf(row, code)
      if (step === undefined) continue
      return (await this.#statements.takeStep.execute({ id: row.id, step })).length > 0
    }
    return false
  }

  async #useRecoveryCode(userId: number, text: string): Promise<boolean> {
    const codeHash = this.#hashOf(userId, text)
    return codeHash !== undefined && (await this.#statements.useCode.execute({ userId, codeHash })).length > 0
  }

  #stepOf(row: { id: string; secret: string | null; lastStep: number; now: number }, code?: string) {
    const secret = this.#secretOf(row)
    return secret && code ? stepOf(secret, code, row) : undefined
  }

  #secretOf({ id, secret }: { id: string; secret: string | null }): Buffer | undefined {
    const opened = unseal(secret ?? '', id, [this.#sealingKey])
    return opened === undefined ? undefined : Buffer.from(opened, 'base64url')
  }

  #hashOf(userId: number, text: string): string | undefined {
    const code = readRecoveryCode(text)
    return code && recoveryCodeHash(this.#codeKey, userId, code)
  }
}

function undefinedIfRejected(error: unknown): undefined {
  if (!(error instanceof Problem && error.code === 'passkey_rejected')) throw error
}

function prepareStatements(database: Database) {
  const { db, tables, now } = database
  const { factors, recoveryCodes } = tables
  const isOfUser = eq(factors.userId, sql.placeholder('userId'))
  const isConfirmed = isNotNull(factors.confirmedAt)
  const secret = {
    id: factors.id,
    secret: factors.secret,
    lastStep: factors.lastStep,
    now: sql`${now}`.mapWith(Number),
  }
  const ofKind = (kind: Factor['kind']) => sql`count(case when ${factors.kind} = ${kind} then 1 end)`.mapWith(Number)
  const step = sql`cast(${sql.placeholder('step')} as bigint)`
  const codesOfUser = db
    .select({ count: count() })
    .from(recoveryCodes)
    .where(eq(recoveryCodes.userId, sql.placeholder('userId')))
  return {
    methods: db
      .select({
        totp: ofKind('totp'),
        passkeys: ofKind('passkey'),
        codes: sql`(${codesOfUser})`.mapWith(Number),
      })
      .from(factors)
      .where(and(isOfUser, isConfirmed))
      .prepare('find_factor_methods'),
    list: prepareFactorList(database),
    secrets: db
      .select(secret)
      .from(factors)
      .where(and(isOfUser, isConfirmed, eq(factors.kind, 'totp')))
      .prepare('find_totp_secrets'),
    begun: db
      .select(secret)
      .from(factors)
      .where(and(isOfUser, isNull(factors.confirmedAt)))
      .prepare('find_begun_factor'),
    takeStep: db
      .update(factors)
      .set({ lastStep: step, lastUsedAt: now })
      .where(and(eq(factors.id, sql.placeholder('id')), lt(factors.lastStep, step)))
      .returning({ id: factors.id })
      .prepare('take_totp_step'),
    useCode: db
      .delete(recoveryCodes)
      .where(
        and(
          eq(recoveryCodes.userId, sql.placeholder('userId')),
          eq(recoveryCodes.codeHash, sql.placeholder('codeHash')),
        ),
      )
      .returning({ userId: recoveryCodes.userId })
      .prepare('use_recovery_code'),
  }
}
