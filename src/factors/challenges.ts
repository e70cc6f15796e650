import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { lt, sql } from 'drizzle-orm'
import { deleteInBatches } from '../database/batches.js'
import { type Database, type Db, within } from '../database/database.js'
import type { DerivedKeys, Secret } from '../tokens/secret.js'
import { bytesIn } from '../tokens/signed-bytes.js'

const LIFETIME_MS = 5 * 60_000
const RANDOM_BYTES = 16
const EXPIRY_BYTES = 6
const HEAD_BYTES = RANDOM_BYTES + EXPIRY_BYTES
const MAC_BYTES = 16
/** Used challenges are kept for this much longer, for a process whose clock is behind the database's. */
const KEPT_MS = 60_000

/**
 * Challenges for passkeys: random bytes, their expiry and a MAC of both, so that issuing one writes nothing. Each is
 * accepted once: synchronized passkeys do not count signatures, so a replayed response would otherwise be valid.
 */
export class Challenges {
  readonly #database: Database
  readonly #keys: DerivedKeys
  readonly #insert: ReturnType<typeof prepareInsert>

  constructor(database: Database, secret: Secret) {
    this.#database = database
    this.#keys = secret.derive('passkey-challenge')
    this.#insert = prepareInsert(database)
  }

  /** A new challenge in base64url. The MAC covers `purpose`. */
  make(purpose: string): string {
    const [key] = this.#keys
    const head = Buffer.alloc(HEAD_BYTES)
    randomBytes(RANDOM_BYTES).copy(head)
    head.writeUIntBE(Date.now() + LIFETIME_MS, RANDOM_BYTES, EXPIRY_BYTES)
    return Buffer.concat([head, mac(key, head, purpose)]).toString('base64url')
  }

  /** Whether this service made the challenge for this purpose, and it has not expired. */
  isOurs(challenge: string, purpose: string): boolean {
    // Accepts one encoding only: another encoding of the same bytes would have another hash, and could be replayed.
    const bytes = bytesIn(challenge, HEAD_BYTES + MAC_BYTES)
    if (bytes === undefined) return false
    const head = bytes.subarray(0, HEAD_BYTES)
    const isAuthentic = this.#keys.some((key) => timingSafeEqual(bytes.subarray(HEAD_BYTES), mac(key, head, purpose)))
    return isAuthentic && expiryOf(head) > Date.now()
  }

  /** Uses a challenge up, within the transaction of `db`. False if any replica has used it before. */
  async use(db: Db, challenge: string): Promise<boolean> {
    const hash = createHash('sha256').update(challenge).digest('base64url')
    const expiresAt = expiryOf(Buffer.from(challenge, 'base64url'))
    return (await within(db, this.#insert).execute({ hash, expiresAt })).length > 0
  }

  /** Deletes used challenges that have expired. */
  async prune(signal?: AbortSignal): Promise<void> {
    const { tables, now } = this.#database
    const { usedChallenges: table } = tables
    const where = lt(table.expiresAt, sql`${now} - ${KEPT_MS}`)
    await deleteInBatches(this.#database, { table, key: table.hash, where, signal })
  }
}

function mac(key: Buffer, head: Buffer, purpose: string): Buffer {
  return createHmac('sha256', key).update(head).update(purpose).digest().subarray(0, MAC_BYTES)
}

function expiryOf(head: Buffer): number {
  return head.readUIntBE(RANDOM_BYTES, EXPIRY_BYTES)
}

function prepareInsert({ db, tables: { usedChallenges } }: Database) {
  return db
    .insert(usedChallenges)
    .values({ hash: sql.placeholder('hash'), expiresAt: sql.placeholder('expiresAt') })
    .onConflictDoNothing()
    .returning({ hash: usedChallenges.hash })
    .prepare('insert_used_challenge')
}
