import { hkdfSync, randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { type Database, DatabaseError, sole } from '../database/database.js'
import { isOfNewest, seal, unseal } from './sealing.js'
import type { DerivedKeys, Secret } from './secret.js'

/** The name of the only data key, for second factors and API keys. The encryption authenticates the name. */
const NAME = 'factors'
const KEY_BYTES = 32

/** The uses of the key. Each use has its own derived key. */
type DataPurpose = 'totp-secret' | 'recovery-code' | 'user-handle' | 'api-key'

/**
 * A random key, stored encrypted in the database. Data encrypted or hashed with it survives a change of SECRET_KEY: only the key
 * itself is encrypted again.
 */
export class DataKey {
  readonly #database: Database
  readonly #sealingKeys: DerivedKeys
  readonly #key: string

  private constructor(database: Database, sealingKeys: DerivedKeys, key: string) {
    this.#database = database
    this.#sealingKeys = sealingKeys
    this.#key = key
  }

  /** Decrypts the key. Creates a key if there is none. @throws DatabaseError when another secret encrypted it */
  static async open(database: Database, secret: Secret): Promise<DataKey> {
    const sealingKeys = secret.derive('data-key-seal')
    const [row = await make(database, sealingKeys)] = await read(database)
    const key = unseal(row.sealedKey, NAME, sealingKeys)
    if (key !== undefined) return new DataKey(database, sealingKeys, key)
    throw new DatabaseError(
      'The data key in the database cannot be decrypted with this SECRET_KEY. Start with the secret that encrypted the ' +
        'data key; to change the secret, set both as "new,old".',
    )
  }

  /** The key for one purpose. */
  derive(purpose: DataPurpose): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', `latchkey/${purpose}`, KEY_BYTES))
  }

  /** Whether the first secret encrypted the key, and when, in milliseconds since 1970. */
  async seal(): Promise<{ isOfFirstSecret: boolean; sealedAt: number }> {
    const { sealedKey, sealedAt } = sole(await read(this.#database))
    return { isOfFirstSecret: isOfNewest(sealedKey, NAME, this.#sealingKeys), sealedAt }
  }

  /** Re-encrypts the key with the first secret, unless already done. Resolves to whether the key was re-encrypted. */
  async reseal(): Promise<boolean> {
    if ((await this.seal()).isOfFirstSecret) return false
    const { db, tables, now } = this.#database
    await db
      .update(tables.dataKeys)
      .set({ sealedKey: seal(this.#key, NAME, this.#sealingKeys), sealedAt: now })
      .where(eq(tables.dataKeys.name, NAME))
    return true
  }
}

/** The row of the key, if there is one. */
function read({ db, tables: { dataKeys } }: Database) {
  return db.select().from(dataKeys).where(eq(dataKeys.name, NAME))
}

/** If several processes start on an empty table, one insert succeeds and all of them read its key. */
async function make(database: Database, sealingKeys: DerivedKeys) {
  const { db, tables, now } = database
  const sealedKey = seal(randomBytes(KEY_BYTES).toString('base64url'), NAME, sealingKeys)
  await db.insert(tables.dataKeys).values({ name: NAME, sealedKey, sealedAt: now }).onConflictDoNothing()
  return sole(await read(database))
}
