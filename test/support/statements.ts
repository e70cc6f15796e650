import { createRequire } from 'node:module'
import { join } from 'node:path'
import type pg from 'pg'
import type { Test } from 'tap'
import { loadDriver } from '../../src/database/sqlite/driver.js'
import { packageRoot } from '../../src/package.js'

/**
 * The service's background statements (revocations, signing keys, costs of stored hashes, the outbox), and the
 * statements of shared commits.
 */
const OF_UPKEEP =
  /^(begin|commit|select max\("id"\)|select "password_hash" from "users"|with "due")|set_config|^set |revoked|signing_keys|"clients"|^select .* from "api_keys"/i

type Method = (this: { source: string }, ...args: unknown[]) => unknown

/**
 * Records the text of every statement that this process sends to a database of either engine, except background
 * statements. Returns a function that returns the texts and clears the record.
 */
export async function hearStatements(t: Test): Promise<() => string[]> {
  let texts: string[] = []
  const Sqlite = await loadDriver()
  const connection = new Sqlite(':memory:')
  const statement = Object.getPrototypeOf(connection.prepare('select 1')) as Record<string, Method>
  for (const name of ['run', 'all', 'get']) {
    const original = statement[name] as Method
    t.intercept(statement, name, {
      value(this: { source: string }, ...args: unknown[]) {
        texts.push(this.source)
        return original.apply(this, args)
      },
    })
  }
  connection.close()
  // The service's own driver, because the tests have another copy of the package.
  const driver: typeof pg = createRequire(join(packageRoot, 'package.json'))('pg')
  const client = driver.Client.prototype as unknown as Record<string, (query: unknown, ...rest: unknown[]) => unknown>
  const query = client.query as (query: unknown, ...rest: unknown[]) => unknown
  t.intercept(client, 'query', {
    value(this: unknown, sent: { text?: string } | string, ...rest: unknown[]) {
      texts.push(typeof sent === 'string' ? sent : String(sent.text))
      return query.call(this, sent, ...rest)
    },
  })
  return () => {
    const taken = texts.filter((text) => !OF_UPKEEP.test(text))
    texts = []
    return taken
  }
}
