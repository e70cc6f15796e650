import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { toClient } from '../api/client-schemas.js'
import type { OAuthClient } from '../clients/oauth-clients.js'
import { AUTH_METHODS, GRANT_TYPES } from '../clients/oauth-clients.js'
import { type Registration, randomClientId, withDefaults } from '../clients/registration.js'
import { CommandError } from '../command-error.js'
import { loadConfig } from '../config/config.js'
import { openDomain } from '../domain.js'
import { Problem } from '../problems.js'
import { print, printJson } from '../terminal.js'
import { ID_TOKEN_ALGORITHMS } from '../tokens/id-token-keys.js'
import { UsageError } from '../usage-error.js'
import { describeClient, printClients } from './client-descriptions.js'
import { announceDatabase } from './database-address.js'

/** The values of --pkce. */
const PKCE = ['required', 'optional'] as const

export const HELP = `Usage: latchkey clients <action> [<client_id>] [options]

  create [<client_id>] --name <text>   register a client and print its secret, which is shown only once; without
                                       <client_id>, a random one is generated
  list                                 all clients, in the order of their ids
  show <client_id>                     one client
  update <client_id>                   change the fields given as options
  rotate <client_id>                   add a second secret; the first one stays valid until --end-older
         --end-older                   revoke the older of two secrets
         --now                         after a leak: add a secret and revoke all others immediately
  disable <client_id>                  refuse its tokens within a second, and issue no more
  enable <client_id>                   undo disable
  delete <client_id>                   delete the client; its client_id is never used again

Options of create and update, which are the metadata of RFC 7591:

  --name <text>            the name that people see
  --scope <words>          the scopes that its tokens can have: "invoices:read users:read"
  --resource <uri>         an audience that its tokens can have; may be repeated
  --grant <type>           ${GRANT_TYPES.join(', ')}; may be repeated
  --auth <method>          ${AUTH_METHODS.join(', ')}
  --jwks <file>            the public keys for private_key_jwt, as a JWK Set
  --redirect-uri <uri>     an address to which browsers may be redirected; may be repeated
  --post-logout-redirect-uri <uri>
                           the same, after a log-out
  --id-token-alg <alg>     ${ID_TOKEN_ALGORITHMS.join(', ')}: how its id_tokens are signed
  --pkce <when>            ${PKCE.join(', ')}: whether each log-in needs PKCE; optional is for software without PKCE
  --first-party            an application of your own, which needs no consent; --no-first-party undoes this

An empty value removes an optional field: --scope '', --resource '', --redirect-uri '', --post-logout-redirect-uri '' and
--jwks ''.

  --json   print clients as JSON, one per line, and a new secret as "client_secret"

The audit log records every change. The database that was used is printed on standard error.

Exit codes: 0 done; 1 refused or failed, with the reason (there is no such client, the client_id is taken, ...); 64 wrong
usage; 78 wrong settings.
`

export const options = {
  name: { type: 'string' },
  scope: { type: 'string' },
  resource: { type: 'string', multiple: true },
  grant: { type: 'string', multiple: true },
  auth: { type: 'string' },
  jwks: { type: 'string' },
  'redirect-uri': { type: 'string', multiple: true },
  'post-logout-redirect-uri': { type: 'string', multiple: true },
  'id-token-alg': { type: 'string' },
  pkce: { type: 'string' },
  'first-party': { type: 'boolean' },
  'no-first-party': { type: 'boolean' },
  'end-older': { type: 'boolean', default: false },
  now: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

interface Values {
  name?: string
  scope?: string
  resource?: string[]
  grant?: string[]
  auth?: string
  jwks?: string
  'redirect-uri'?: string[]
  'post-logout-redirect-uri'?: string[]
  'id-token-alg'?: string
  pkce?: string
  'first-party'?: boolean
  'no-first-party'?: boolean
  'end-older'?: boolean
  now?: boolean
  json?: boolean
}

interface Outcome {
  lines: string[]
  client: OAuthClient
  secret?: string | undefined
}

/** The actor of changes on the command line. */
const OPERATOR = { id: null }

const ACTS: Record<string, (app: FastifyInstance, id: string, values: Values) => Promise<Outcome>> = {
  show: async ({ clients }, id) => {
    const client = await clients.get(id)
    return { lines: describeClient(client), client }
  },
  update: async ({ clients }, id, values) => {
    const client = await clients.update(id, registrationOf(values), OPERATOR)
    return { lines: [`Changed ${id}.`], client }
  },
  rotate: async ({ clients }, id, values) => {
    if (values['end-older']) {
      return { lines: [`${id} has one valid secret.`], client: await clients.endOlderSecret(id, OPERATOR) }
    }
    const atOnce = values.now === true
    const others = atOnce
      ? 'All other secrets are revoked.'
      : `The previous secret stays valid until: latchkey clients rotate ${id} --end-older`
    return { lines: [`Added a secret for ${id}. ${others}`], ...(await clients.addSecret(id, OPERATOR, { atOnce })) }
  },
  disable: async ({ clients }, id) => {
    return { lines: [`${id} is disabled.`], client: await clients.update(id, { is_active: false }, OPERATOR) }
  },
  enable: async ({ clients }, id) => {
    return { lines: [`${id} is active.`], client: await clients.update(id, { is_active: true }, OPERATOR) }
  },
  delete: async ({ clients }, id) => {
    const client = await clients.get(id)
    await clients.delete(id, OPERATOR)
    return { lines: [`Deleted ${id}.`], client }
  },
}

export const ACTIONS = ['create', 'list', ...Object.keys(ACTS)]

export async function run(values: Values, [action = '', id, extra]: string[]): Promise<void> {
  const act = ACTS[action]
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey clients --help`)
  if (act !== undefined && id === undefined)
    throw new UsageError(`missing argument <client_id>: latchkey clients ${action} <client_id>`)
  assertOptions(action, values)
  const config = loadConfig()
  announceDatabase(config.DATABASE_URL)
  const app = await openDomain({ ...config, MIGRATE_ON_START: false }, action)
  try {
    if (act !== undefined && id !== undefined) report(await act(app, id, values), values)
    else if (action === 'create') report(await create(app, id ?? randomClientId(), values), values)
    else await printClients(app, values.json)
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') throw new CommandError(`there is no client "${id}"`)
    throw error
  } finally {
    await app.close()
  }
}

function assertOptions(action: string, values: Values): void {
  if (values['first-party'] && values['no-first-party'])
    throw new UsageError('--first-party and --no-first-party cannot be used together')
  const isRegistration = action === 'create' || action === 'update'
  const registered = Object.keys(registrationOf(values, false))
  if (!isRegistration && registered.length > 0)
    throw new UsageError('--name, --scope and the like are options of latchkey clients create and update')
  if (action === 'create' && values.name === undefined)
    throw new UsageError('missing option --name: latchkey clients create --name <text>')
  if (action === 'update' && registered.length === 0)
    throw new UsageError('nothing to change: add an option; see latchkey clients --help')
  if (action !== 'rotate' && (values.now || values['end-older'])) {
    throw new UsageError('--now and --end-older are options of latchkey clients rotate')
  }
  if (values.now && values['end-older']) throw new UsageError('--now and --end-older cannot be used together')
}

async function create({ clients }: FastifyInstance, id: string, values: Values): Promise<Outcome> {
  const registration = withDefaults({ client_name: '', ...registrationOf(values) })
  return { lines: [`Registered ${id}.`], ...(await clients.create(id, registration, OPERATOR)) }
}

/** The registration in the options, with the names of RFC 7591. */
function registrationOf(values: Values, readsFiles = true): Partial<Registration> {
  const { name, scope, resource, grant, auth, jwks, pkce } = values
  return {
    ...(name !== undefined && { client_name: name }),
    ...(scope !== undefined && { scope }),
    ...(resource !== undefined && { resources: listIn(resource) }),
    ...(grant !== undefined && { grant_types: grant.map((word) => oneOf(GRANT_TYPES, word, '--grant')) }),
    ...(auth !== undefined && { token_endpoint_auth_method: oneOf(AUTH_METHODS, auth, '--auth') }),
    ...(jwks !== undefined && { jwks: readsFiles ? readJwks(jwks) : null }),
    ...(values['redirect-uri'] !== undefined && { redirect_uris: listIn(values['redirect-uri']) }),
    ...(values['post-logout-redirect-uri'] !== undefined && {
      post_logout_redirect_uris: listIn(values['post-logout-redirect-uri']),
    }),
    ...(values['id-token-alg'] !== undefined && {
      id_token_signed_response_alg: oneOf(ID_TOKEN_ALGORITHMS, values['id-token-alg'], '--id-token-alg'),
    }),
    ...(pkce !== undefined && { require_pkce: oneOf(PKCE, pkce, '--pkce') === 'required' }),
    ...(values['first-party'] && { first_party: true }),
    ...(values['no-first-party'] && { first_party: false }),
  }
}

/** The values of an option that may be repeated. A single empty value clears the list. */
function listIn(values: string[]): string[] {
  return values.length === 1 && values[0] === '' ? [] : values
}

function oneOf<const Word extends string>(words: readonly Word[], given: string, option: string): Word {
  const word = words.find((candidate) => candidate === given)
  if (word === undefined) throw new UsageError(`${option} must be one of ${words.join(', ')}`)
  return word
}

function readJwks(file: string): Registration['jwks'] {
  if (file === '') return null
  try {
    const { keys } = JSON.parse(readFileSync(file, 'utf8'))
    if (Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)) return { keys }
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
  throw new CommandError(`${file} is not a JWK Set, which looks like {"keys": [...]}`)
}

function report({ lines, client, secret }: Outcome, { json }: Values): void {
  if (json) printJson({ ...toClient(client), ...(secret !== undefined && { client_secret: secret }) })
  else print(...(secret === undefined ? [] : [secret]), ...lines)
}
