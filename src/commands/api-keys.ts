import { timestamp, timestampOrNull } from '../api/times.js'
import { type ApiKeyRow, prepareKeyList } from '../clients/api-key-lists.js'
import { CommandError } from '../command-error.js'
import { loadConfig } from '../config/config.js'
import { openDomain } from '../domain.js'
import { print, printableJson, printJson } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { announceDatabase } from './database-address.js'
import { findAccount, nameOf } from './user-accounts.js'

export const HELP = `Usage: latchkey api-keys <action> <who> [<id>] [--json]

  list <who>           the valid API keys of an account, the newest first
  revoke <who> <id>    revoke one of them; every process refuses it within a second
  revoke <who> --all   revoke all of them

<who> is a user name, an e-mail address, or an id. Only the owner of the account can create a key: POST /v1/me/api-keys. Keys
are listed by name and id; the text of a key is not stored. The database that was used is printed on standard error.

  --json   print JSON; list prints one key per line

Exit codes: 0 done; 1 refused or failed, with the reason (there is no such key, ...); 64 wrong usage; 78 wrong settings.
`

export const ACTIONS = ['list', 'revoke'] as const

export const options = { all: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } as const

interface Values {
  all?: boolean
  json?: boolean
}

export async function run({ all, json = false }: Values, [action, who, id, extra]: string[]): Promise<void> {
  const unexpected = action === 'list' || all ? id : extra
  if (who === undefined) throw new UsageError(`missing argument <who>: latchkey api-keys ${action} <who>`)
  if (unexpected !== undefined)
    throw new UsageError(`unexpected argument "${unexpected}"; see latchkey api-keys --help`)
  if (action === 'revoke' && !all && id === undefined)
    throw new UsageError('missing argument <id>: latchkey api-keys revoke <who> <id>, or --all')
  if (action === 'list' && all) throw new UsageError('--all belongs to latchkey api-keys revoke')
  const config = loadConfig()
  announceDatabase(config.DATABASE_URL)
  const app = await openDomain({ ...config, MIGRATE_ON_START: false }, action)
  try {
    const user = await findAccount(app, who)
    const keys = await prepareKeyList(app.database).execute({ userId: user.id })
    if (action === 'list') return print(...keys.map((key) => (json ? printableJson(asJson(key)) : line(key))))
    const ids = all ? keys.map((key) => key.id) : [id as string]
    for (const one of ids) {
      if (!(await app.apiKeys.revoke(user.id, one, { actorId: null }))) {
        throw new CommandError(`${nameOf(user)} has no API key ${one}`)
      }
    }
    if (json) printJson({ revoked: ids })
    else print(...ids.map((one) => `Revoked ${one}.`))
  } finally {
    await app.close()
  }
}

function asJson({ id, name, scope, createdAt, expiresAt, lastUsedAt }: ApiKeyRow): object {
  const last_used_at = timestampOrNull(lastUsedAt)
  return { id, name, scope, created_at: timestamp(createdAt), expires_at: timestamp(expiresAt), last_used_at }
}

function line({ id, name, scope, expiresAt, lastUsedAt }: ApiKeyRow): string {
  const used = lastUsedAt === null ? 'never used' : `used ${timestamp(lastUsedAt)}`
  return `${id}  expires ${timestamp(expiresAt)}  ${used}  ${scope}  ${name}`
}
