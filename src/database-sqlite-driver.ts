import type BetterSqlite3 from 'better-sqlite3'
import { DatabaseError } from './database.js'

/** The driver that runs on this Node. @throws DatabaseError when it is not installed */
export async function loadDriver(): Promise<typeof BetterSqlite3> {
  // Version 13 needs Node-API 10 and crashes below it; version 12 aborts at random on newer Nodes.
  const name = Number(process.versions.napi) >= 10 ? 'better-sqlite3' : 'better-sqlite3-node20'
  try {
    return (await import(name)).default
  } catch (cause) {
    throw new DatabaseError(
      `The SQLite driver (${name}) is not installed for this Node (${process.version}): run npm ci again with this Node and a C++ toolchain, and without --omit=optional.`,
      { cause },
    )
  }
}
