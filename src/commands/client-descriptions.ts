import type { FastifyInstance } from 'fastify'
import { toClient } from '../api/client-schemas.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { print, printableJson } from '../terminal.js'

const ROWS_AT_ONCE = 500

/** A client as text: one line per field, with its name in RFC 7591 and in the API. */
export function describeClient(client: OAuthClient): string[] {
  return Object.entries(toClient(client)).map(([name, value]) => `${name.padEnd(28)} ${textOf(value)}`)
}

/** Prints all clients, in the order of their ids. */
export async function printClients({ clients }: FastifyInstance, json = false): Promise<void> {
  for (let last = ''; ; ) {
    const some = await clients.list(ROWS_AT_ONCE, last)
    print(...some.map((client) => (json ? printableJson(toClient(client)) : lineOf(client))))
    if (some.length < ROWS_AT_ONCE) return
    last = some.at(-1)?.id ?? last
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ') || '-'
  if (typeof value === 'object' && value !== null) return JSON.stringify(value)
  return String(value ?? '') || '-'
}

function lineOf({ id, isActive, grantTypes, scopes, name }: OAuthClient): string {
  return [id.padEnd(20), isActive ? 'active  ' : 'disabled', grantTypes.join(','), scopes.join(' ') || '-', name].join(
    '  ',
  )
}
