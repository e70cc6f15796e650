import { createRequire } from 'node:module'
import { join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { packageRoot } from '../../package.js'
import { DatabaseError } from '../database.js'

/** Version 13 crashes on an older Node-API. Node 22.14 is the first Node with this one. */
const NAPI_OF_DRIVER_13 = 10

/** Loads the SQLite driver for this Node. @throws DatabaseError when the driver is not installed */
export async function loadDriver(): Promise<typeof BetterSqlite3> {
  const isNode20 = Number(process.versions.napi) < NAPI_OF_DRIVER_13
  try {
    // Version 12 aborts at random on newer Nodes, so it has its own folder, installed on Node 20 only.
    if (isNode20) return createRequire(join(packageRoot, 'sqlite-node20', 'package.json'))('better-sqlite3')
    return (await import('better-sqlite3')).default
  } catch (cause) {
    const remedy = isNode20
      ? 'run node scripts/install.mjs sqlite-node20, which needs a C++ compiler'
      : 'run npm ci again, without --omit=optional'
    throw new DatabaseError(`The SQLite driver is not installed for this Node (${process.version}): ${remedy}.`, {
      cause,
    })
  }
}
