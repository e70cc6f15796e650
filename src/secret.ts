import { hkdfSync, randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type Config, ConfigError } from './config.js'
import { type Database, DatabaseError } from './database.js'
import { isSameSecret, parseLegacySecret } from './secret-rules.js'

const DERIVED_BYTES = 32

/** What the secret is used for; each use has a key of its own. */
export type Purpose = 'refresh-token' | 'signing-key-seal'

export interface Secret {
  /** The keys for one purpose, the newest first: make with the first, accept any. */
  derive(purpose: Purpose): readonly Buffer[]
}

/**
 * The secret of this installation: SECRET_KEY, else the file beside the database, which the first start makes.
 * @throws DatabaseError when the file is missing although the database depends on it, ConfigError when it is also the
 * secret of another system's tokens: whoever knows it there could make refresh tokens here.
 */
export async function openSecret(config: Config, database: Database): Promise<Secret> {
  const secrets = config.SECRET_KEY.length > 0 ? config.SECRET_KEY : [await readOrMakeFile(database)]
  const legacy = config.LEGACY_TOKENS.map((item) => parseLegacySecret(item).secret)
  if (legacy.some((old) => secrets.some((secret) => isSameSecret(old, secret)))) {
    throw new ConfigError(['LEGACY_TOKENS holds SECRET_KEY: make a new SECRET_KEY with: openssl rand -base64 32'])
  }
  return {
    derive: (purpose) =>
      secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', `latchkey/${purpose}`, DERIVED_BYTES))),
  }
}

async function readOrMakeFile({ db, tables, secretFile }: Database): Promise<string> {
  if (secretFile === undefined) throw new DatabaseError('SECRET_KEY is required with this database.')
  try {
    return readFileSync(secretFile, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new DatabaseError(`The secret file ${secretFile} cannot be read: ${(error as Error).message}`)
    }
  }
  const [sealed] = await db.select({ kid: tables.signingKeys.kid }).from(tables.signingKeys).limit(1)
  if (sealed) {
    throw new DatabaseError(
      `The secret file ${secretFile} is missing, and this database holds keys sealed with it. Put the file back or set SECRET_KEY.`,
    )
  }
  makeExclusively(secretFile, randomBytes(DERIVED_BYTES).toString('base64url'))
  // Whether this process made it or another that started at the same moment: the file tells.
  return readFileSync(secretFile, 'utf8').trim()
}

/** Makes a file whole or not at all, and never over another: nobody can read it half written. */
function makeExclusively(file: string, content: string): void {
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, `${content}\n`, { flag: 'wx', mode: 0o600, flush: true })
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new DatabaseError(`The secret file ${file} cannot be made: ${(error as Error).message}`)
  } finally {
    rmSync(draft, { force: true })
  }
}
