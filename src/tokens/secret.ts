import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { linkSync, rmSync, writeFileSync } from 'node:fs'
import { type Config, ConfigError } from '../config/config.js'
import { readSecretFile } from '../config/secret-files.js'
import { assertSecretKey, isSameSecret, parseLegacySecret } from '../config/secrets.js'
import { type Database, DatabaseError } from '../database/database.js'

const DERIVED_BYTES = 32

/** The uses of the secret. Each use has its own derived key. */
type Purpose =
  | 'refresh-token'
  | 'signing-key-seal'
  | 'data-key-seal'
  | 'throttle'
  | 'imported-id'
  | 'one-time-token'
  | 'authorization-code'
  | 'login-ticket'
  | 'enrollment-ticket'
  | 'browser-session'
  | 'passkey-challenge'

/** The keys for one purpose, newest first. Sign or encrypt with the first key, and accept any key. */
export type DerivedKeys = readonly [newest: Buffer, ...older: Buffer[]]

export interface Secret {
  derive(purpose: Purpose): DerivedKeys
}

/**
 * The secret of this installation: SECRET_KEY, or else the file beside the database, which the first start creates.
 * @throws DatabaseError when the file is missing although the database depends on it
 * @throws ConfigError when another system signs its tokens with the same secret: that system could forge refresh tokens
 */
export async function openSecret(config: Config, database: Database): Promise<Secret> {
  const [newest = await readOrMakeFile(database), ...older] = config.SECRET_KEY
  const legacy = config.LEGACY_TOKENS.map((item) => parseLegacySecret(item).secret)
  if (legacy.some((old) => [newest, ...older].some((secret) => isSameSecret(old, secret)))) {
    throw new ConfigError(['LEGACY_TOKENS contains SECRET_KEY: create a new SECRET_KEY with: openssl rand -base64 32'])
  }
  return { derive: (purpose) => [keyFor(purpose, newest), ...older.map((secret) => keyFor(purpose, secret))] }
}

/** A keyed hash for look-ups. An attacker who reads the database without the key learns nothing. */
export function pseudonym(key: Buffer, ...parts: (string | number)[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url')
}

function keyFor(purpose: Purpose, secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `latchkey/${purpose}`, DERIVED_BYTES))
}

async function readOrMakeFile(database: Database): Promise<string> {
  const { db, tables, secretFile } = database
  if (secretFile === undefined) throw new DatabaseError('SECRET_KEY is required with this database.')
  const kept = readFile(secretFile)
  if (kept !== undefined) return kept
  const [sealed] = await db.select({ kid: tables.signingKeys.kid }).from(tables.signingKeys).limit(1)
  if (sealed) {
    throw new DatabaseError(
      `The secret file ${secretFile} is missing, and the keys in this database were encrypted with it. Restore the file or set SECRET_KEY.`,
    )
  }
  makeExclusively(secretFile, randomBytes(DERIVED_BYTES).toString('base64url'))
  // Another process may have created the file at the same moment.
  return readFile(secretFile) ?? readOrMakeFile(database)
}

/**
 * The secret in the file; undefined if there is no file. @throws DatabaseError when the file or the secret is unsafe
 */
function readFile(file: string): string | undefined {
  try {
    const secret = readSecretFile(file).trim()
    assertSecretKey(secret)
    return secret
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code !== undefined) throw new DatabaseError(`The secret file ${file} cannot be read: ${message}`)
    throw new DatabaseError(
      `The secret file ${file} is refused: it ${message}. How to replace a secret that is lost or known to others: ` +
        'docs/operations.md, "What to do when".',
    )
  }
}

/** Creates a file atomically and never replaces a file, so no process reads a partial secret. */
function makeExclusively(file: string, content: string): void {
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, `${content}\n`, { flag: 'wx', mode: 0o600, flush: true })
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new DatabaseError(`The secret file ${file} cannot be created: ${(error as Error).message}`)
  } finally {
    rmSync(draft, { force: true })
  }
}
