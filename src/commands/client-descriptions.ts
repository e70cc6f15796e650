import type { FastifyInstance } from 'fastify'
import { toClient } from '../api/client-schemas.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { print, printableJson } from '../terminal.js'
import { rowPages } from './row-pages.js'

/** A client as text: one line per field, with its name in RFC 7591 and in the API. */
export function describeClient(client: OAuthClient): string[] {
  return Object.entries(toClient(client)).map(([name, value]) => `${name.padEnd(28)} ${textOf(value)}`)
}

/** Prints all clients, in the order of their ids. */
export async function printClients({ clients }: FastifyInstance, json = false): Promise<void> {
  for await (const page of rowPages<OAuthClient>((limit, last) => clients.list(limit, last?.id))) {
    print(...page.map((client) => (json ? printableJson(toClient(client)) : lineOf(client))))
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
