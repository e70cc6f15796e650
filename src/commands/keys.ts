import { timestamp } from '../api/times.js'
import { CommandError } from '../command-error.js'
import { loadConfig } from '../config/config.js'
import { openDatabase } from '../database/open.js'
import { print, printableJson, printJson } from '../terminal.js'
import { openSecret } from '../tokens/secret.js'
import { Keys } from '../tokens/signing-keys.js'
import { UsageError } from '../usage-error.js'
import { announceDatabase, printNotice } from './database-address.js'

export const HELP = `Usage: latchkey keys <list | rotate | retire | reseal> [--kid <kid>] [--now] [--json]

The keys that sign access tokens. A service that runs learns of a change within a second; nothing is restarted.

  list     show them
  rotate   publish the next key; it signs in ten minutes, and the one before verifies until its last token has expired
           --now, for a leak: it signs at once, and all others end with the tokens they signed; people refresh theirs
  retire   end the key of --kid at once, for one that leaked: its tokens stop working, and people refresh theirs
  reseal   encrypt the keys anew with the first secret of SECRET_KEY, so that the others are not needed to open them

  --json   print JSON; list prints a key a line

Which database was used is printed on standard error.

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

type Row = Awaited<ReturnType<Keys['list']>>[number]

export async function run({ kid, now, json = false }: Values, [action, extra]: string[]): Promise<void> {
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey keys --help`)
  if (action === 'retire' && kid === undefined) throw new UsageError('--kid is needed; see latchkey keys list')
  if (action !== 'retire' && kid !== undefined) throw new UsageError('--kid belongs to latchkey keys retire')
  if (action !== 'rotate' && now) throw new UsageError('--now belongs to latchkey keys rotate')
  const config = loadConfig()
  announceDatabase(config.DATABASE_URL)
  const database = await openDatabase(config.DATABASE_URL, { migrate: false, onNotice: printNotice })
  try {
    const keys = await Keys.open(database, await openSecret(config, database))
    if (action === 'rotate') await rotate(keys, now, json)
    else if (action === 'retire') await retire(keys, kid as string, json)
    else if (action === 'reseal') await reseal(keys, json)
    else await list(keys, json)
  } finally {
    await database.close()
  }
}

async function rotate(keys: Keys, atOnce = false, json = false): Promise<void> {
  const kid = await keys.rotate({ atOnce })
  if (json) printJson({ published: kid ?? null, signs_at_once: atOnce })
  else if (kid === undefined) print('Another process has just published a key; see latchkey keys list.')
  else
    print(`Published ${kid}; ${atOnce ? 'it signs now, and all other keys are retired' : 'it signs in ten minutes'}.`)
}

async function retire(keys: Keys, kid: string, json: boolean): Promise<void> {
  if (!(await keys.retire(kid))) throw new CommandError(`there is no key ${kid}; see latchkey keys list`)
  if (json) printJson({ retired: kid })
  else print(`Retired ${kid}.`)
}

async function reseal(keys: Keys, json: boolean): Promise<void> {
  const kids = await keys.reseal()
  if (json) printJson({ resealed: kids })
  else print(...kids.map((kid) => `Sealed ${kid} anew.`))
}

async function list(keys: Keys, json: boolean): Promise<void> {
  const rows = await keys.list()
  if (process.stdout.isTTY && !json) print(HEADER)
  print(...rows.map((row) => (json ? printableJson(asJson(row)) : line(row))))
}

function asJson({ kid, signsFrom, retiresAt, opens }: Row): object {
  return { kid, signs_from: timestamp(signsFrom), retires_at: retiresAt && timestamp(retiresAt), opens }
}

function line({ kid, signsFrom, retiresAt, opens }: Row): string {
  const end = retiresAt === null ? '-' : timestamp(retiresAt)
  const note = opens ? '' : '  not used: does not open with this SECRET_KEY'
  return `${kid}  ${timestamp(signsFrom)}  ${end.padEnd(opens ? 0 : TIME_LENGTH)}${note}`
}
