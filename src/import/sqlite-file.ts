import { constants, existsSync } from 'node:fs'
import { copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { CommandError } from '../command-error.js'
import { loadDriver } from '../database/sqlite/driver.js'

/** The version bytes of the file header, which indicate WAL mode (https://sqlite.org/fileformat.html). */
const VERSIONS_AT = 18
const WAL = 2
/** Companion files of a database; SQLite rebuilds -shm. */
const COMPANIONS = ['-wal', '-journal']
/** A read-only folder, or a journal that must be rolled back first. */
const NOT_IN_PLACE = /^SQLITE_(READONLY|CANTOPEN)/

interface OpenedFile {
  connection: BetterSqlite3.Database
  close(): Promise<void>
}

/**
 * Opens a snapshot of an SQLite file, and leaves no files next to it. A reader of a file in WAL mode creates -wal and
 * -shm, and cannot remove them; so a file that no other process has open, or that cannot be read in place, is copied
 * first.
 * @throws CommandError
 */
export async function openSqliteFile(path: string): Promise<OpenedFile> {
  if (!existsSync(path)) throw new CommandError(`there is no file ${path}`)
  if ((await stat(path)).isDirectory()) throw new CommandError(`${path} is a folder, not a file`)
  try {
    const isOpenElsewhere = existsSync(`${path}-wal`) && existsSync(`${path}-shm`)
    if ((await isInWalMode(path)) && !isOpenElsewhere) return await openCopy(path)
    return await openInPlace(path)
  } catch (error) {
    // Errors of the file or of SQLite have a code; others are bugs.
    if ((error as { code?: string }).code === undefined) throw error
    throw new CommandError(`${path} cannot be read as SQLite: ${(error as Error).message}`)
  }
}

async function openInPlace(path: string): Promise<OpenedFile> {
  try {
    const connection = await connect(path, { readonly: true })
    return { connection, close: async () => void connection.close() }
  } catch (error) {
    if (!NOT_IN_PLACE.test((error as { code?: string }).code ?? '')) throw error
    return openCopy(path)
  }
}

/** Opens a copy. It includes the write-ahead log, and rolls back transactions that a crash left incomplete. */
async function openCopy(path: string): Promise<OpenedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-import-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const copy = join(folder, basename(path))
    const before = await standOf(path)
    for (const end of ['', ...COMPANIONS].filter((end) => existsSync(path + end))) {
      await copyFile(path + end, copy + end, constants.COPYFILE_FICLONE)
    }
    if ((await standOf(path)) !== before) {
      throw new CommandError(`${path} was written to while it was copied: stop the application, or import a backup`)
    }
    const connection = await connect(copy, {})
    return {
      connection,
      async close() {
        connection.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

async function connect(path: string, options: BetterSqlite3.Options): Promise<BetterSqlite3.Database> {
  const Sqlite = await loadDriver()
  const connection = new Sqlite(path, options)
  try {
    connection.exec('begin')
    // The first read starts the snapshot, and detects a broken file.
    connection.prepare('select count(*) from sqlite_schema').get()
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

async function isInWalMode(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, VERSIONS_AT)
    return buffer.includes(WAL)
  } finally {
    await file.close()
  }
}

/** A fingerprint that changes when the file or its log is written. */
async function standOf(path: string): Promise<string> {
  const files = ['', ...COMPANIONS].map((end) => stat(path + end, { bigint: true }).catch(() => undefined))
  return (await Promise.all(files)).map((file) => `${file?.size}/${file?.mtimeNs}`).join()
}
