import { getTableName } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import type { InjectOptions } from 'fastify'
import { encodeUrl } from '../fuzz/plans.js'
import type { Service } from '../helper.js'
import type { Operation, Schema } from '../support/operations.js'

type Fields = Record<string, unknown>

/** The example of a body in the OpenAPI document. */
export function exampleOf({ examples = [] }: Schema): Fields {
  return { ...(examples[0] as Fields) }
}

/** A request for an operation, with this id in the path and the body in the operation's first content type. */
export function requestTo(operation: Operation, { id = '1', body, token }: Attempt): InjectOptions {
  const [type] = operation.types
  const url = operation.path.replace(/\{\w+\}/, () => encodeUrl(id))
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && type !== undefined && { 'content-type': type }),
  }
  return { method: operation.method, url, headers, ...(body !== undefined && { payload: encode(body, type) }) }
}

interface Attempt {
  id?: string
  body?: Fields | string | undefined
  token?: string | undefined
}

export function isForm({ types: [type] }: Pick<Operation, 'types'>): boolean {
  return type === 'application/x-www-form-urlencoded'
}

function encode(body: Fields | string, type: string | undefined): string {
  if (typeof body === 'string') return body
  if (type !== 'application/x-www-form-urlencoded') return JSON.stringify(body)
  return new URLSearchParams(
    Object.entries(body).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString()
}

/** All rows of these tables, as stored. */
export async function rowsOf({ app }: Service, names: readonly string[]): Promise<Record<string, Fields[]>> {
  const { db, tables } = app.database
  const found = Object.values(tables as unknown as Record<string, PgTable>).filter((table) =>
    names.includes(getTableName(table)),
  )
  const rows = await Promise.all(found.map(async (table) => [getTableName(table), await db.select().from(table)]))
  return Object.fromEntries(rows)
}
