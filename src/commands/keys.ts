import { timestamp, timestampOrNull } from '../api/times.js'
import { CommandError } from '../command-error.js'
import { type Config, loadConfig } from '../config/config.js'
import { print, printableJson, printJson } from '../terminal.js'
import { DataKey } from '../tokens/data-key.js'
import { IdTokenKeys } from '../tokens/id-token-keys.js'
import { openSecret } from '../tokens/secret.js'
import type { KeyState } from '../tokens/signing-key-rows.js'
import { Keys } from '../tokens/signing-keys.js'
import { UsageError } from '../usage-error.js'
import { announceDatabase, openForCommand, printNotice } from './database-address.js'

export const HELP = `Usage: latchkey keys <list | rotate | retire | reseal> [--kid <kid>] [--now] [--json]

The keys that sign access tokens and, where clients log people in, id_tokens. A running service notices a change within a
second; no restart is needed.

  list     list the keys, and whether the old secrets of SECRET_KEY are still needed
  rotate   publish the next key; it signs in ten minutes, and the previous key verifies until its last token has expired
           --now, after a leak: the new key signs immediately, and all others are retired; the tokens they signed stop
           working, and clients refresh
  retire   retire the leaked key --kid immediately: the tokens it signed stop working, and clients refresh
  reseal   encrypt the keys again with the first secret of SECRET_KEY, so that the other secrets are no longer needed; also
           the data key, which protects second factors. A start with a list of secrets does this by itself

  --json   print JSON; list prints one key per line

The database that was used is printed on standard error.

Exit codes: 0 done; 1 refused or failed, with the reason (there is no such key, ...); 64 wrong usage; 78 wrong settings.
`

export const ACTIONS = ['list', 'rotate', 'retire', 'reseal'] as const

export const options = {
  kid: { type: 'string' },
  now: { type: 'boolean' },
  json: { type: 'boolean', default: false },
} as const

interface Values {
  kid?: string
  now?: boolean
  json?: boolean
}

/** A JWK thumbprint (RFC 7638) in base64url, and a time as the API writes it. */
const [KID_LENGTH, TIME_LENGTH] = [43, 24]
const HEADER = `${'kid'.padEnd(KID_LENGTH)}  ${'signs from'.padEnd(TIME_LENGTH)}  retires`

export async function run({ kid, now, json = false }: Values, [action, extra]: string[]): Promise<void> {
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey keys --help`)
  if (action === 'retire' && kid === undefined) throw new UsageError('missing option --kid; see latchkey keys list')
  if (action !== 'retire' && kid !== undefined) throw new UsageError('--kid is an option of latchkey keys retire')
  if (action !== 'rotate' && now) throw new UsageError('--now is an option of latchkey keys rotate')
  const config = loadConfig()
  announceDatabase(config.DATABASE_URL)
  const database = await openForCommand(config.DATABASE_URL, { migrate: false })
  try {
    if (action === 'list' && (await database.db.$count(database.tables.signingKeys)) === 0)
      return printNotice('There are no keys yet: the service makes them at its first start.')
    const secret = await openSecret(config, database)
    const keys = await Keys.open(database, secret)
    const idTokenKeys = await IdTokenKeys.open(database, secret)
    const dataKey = await DataKey.open(database, secret)
    const all = { keys, idTokenKeys, dataKey }
    if (action === 'rotate') await rotate(all, { atOnce: now === true, json })
    else if (action === 'retire') await retire(all, kid as string, json)
    else if (action === 'reseal') await reseal(all, json)
    else await list(all, { config, json })
  } finally {
    await database.close()
  }
}

interface AllKeys {
  keys: Keys
  idTokenKeys: IdTokenKeys
  dataKey: DataKey
}

async function rotate({ keys, idTokenKeys, dataKey }: AllKeys, { atOnce, json }: { atOnce: boolean; json: boolean }) {
  const kid = await keys.rotate({ atOnce })
  const others = await idTokenKeys.rotate({ atOnce })
  // After a leak, the processes start with the new secret only, so the data key must be sealed with it.
  if (atOnce) await dataKey.reseal()
  if (json) printJson({ published: kid ?? null, id_token_keys: others, signs_at_once: atOnce })
  else if (kid === undefined) print('Another process has just published a key; see latchkey keys list.')
  else {
    const when = atOnce ? 'it signs now, and all other keys are retired' : 'it signs in ten minutes'
    print(`Published ${kid}; ${when}.`, ...others.map((other) => `Published ${other}, for id_tokens; ${when}.`))
  }
}

async function retire({ keys, idTokenKeys }: AllKeys, kid: string, json: boolean): Promise<void> {
  if (!(await keys.retire(kid)) && !(await idTokenKeys.retire(kid)))
    throw new CommandError(`there is no key ${kid}; see latchkey keys list`)
  if (json) printJson({ retired: kid })
  else print(`Retired ${kid}.`)
}

async function reseal({ keys, idTokenKeys, dataKey }: AllKeys, json: boolean): Promise<void> {
  const kids = [...(await keys.reseal()), ...(await idTokenKeys.reseal())]
  const hasResealed = await dataKey.reseal()
  const what = [...kids, ...(hasResealed ? ['the data key'] : [])]
  if (json) printJson({ resealed: kids, data_key_resealed: hasResealed })
  else if (what.length === 0) print('Everything is encrypted with the first secret already.')
  else print(...what.map((name) => `Encrypted ${name} again.`))
}

interface ListOptions {
  config: Pick<Config, 'SECRET_KEY' | 'REFRESH_IDLE_TTL'>
  json: boolean
}

async function list({ keys, idTokenKeys, dataKey }: AllKeys, { config, json }: ListOptions): Promise<void> {
  const rows = [...(await keys.list()), ...(await idTokenKeys.list())]
  if (process.stdout.isTTY && !json) print(HEADER)
  print(...rows.map((row) => (json ? printableJson(asJson(row)) : line(row))))
  if (json || config.SECRET_KEY.length < 2) return
  const { isOfFirstSecret, sealedAt } = await dataKey.seal()
  const isSealed = isOfFirstSecret && rows.every((row) => row.isOfFirstSecret || !row.opens)
  printNotice(isSealed ? whenOldSecretsMayGo(sealedAt + config.REFRESH_IDLE_TTL) : OLD_SECRETS_NEEDED)
}

const OLD_SECRETS_NEEDED = 'The old secrets are needed: some keys are encrypted with them. Run latchkey keys reseal.'

/** `end`: when the last refresh token from before the change expires, provided that every process was restarted. */
function whenOldSecretsMayGo(end: number): string {
  const sealed = 'The first secret decrypts all keys.'
  if (end <= Date.now()) return `${sealed} You can remove the old secrets.`
  return `${sealed} Keep the old secrets until ${timestamp(end)}: without them, users with an older refresh token must log in again.`
}

function asJson({ kid, use, alg, signsFrom, retiresAt, opens, isOfFirstSecret }: KeyState): object {
  const times = { signs_from: timestamp(signsFrom), retires_at: timestampOrNull(retiresAt) }
  return { kid, use, alg, ...times, opens, first_secret: isOfFirstSecret }
}

function line({ kid, use, alg, signsFrom, retiresAt, opens }: KeyState): string {
  const end = retiresAt === null ? '-' : timestamp(retiresAt)
  const notes = [
    ...(use === 'id_token' ? [`for id_tokens (${alg})`] : []),
    ...(opens ? [] : ['not used: cannot be decrypted with this SECRET_KEY']),
  ]
  const note = notes.length === 0 ? '' : `  ${notes.join(', ')}`
  return `${kid}  ${timestamp(signsFrom)}  ${end.padEnd(note === '' ? 0 : TIME_LENGTH)}${note}`
}
