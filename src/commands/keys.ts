import { loadConfig } from '../config.js'
import { assertDatabase } from '../database-address.js'
import { openDatabase } from '../database-open.js'
import { Keys } from '../keys.js'
import { openSecret } from '../secret.js'
import { print } from '../terminal.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey keys <list | rotate | retire | reseal> [--kid <kid>] [--now]

The keys that sign access tokens. A service that runs learns of a change within a second; nothing is restarted.

  list     show them
  rotate   publish the next key; it signs in ten minutes, and the one before verifies until its last token has expired
           --now, for a leak: it signs at once, and all others end with the tokens they signed; people refresh theirs
  retire   end the key of --kid at once, for one that leaked: its tokens stop working, and people refresh theirs
  reseal   encrypt the keys anew with the first secret of SECRET_KEY, so that the others are not needed to open them
`

export const ACTIONS = ['list', 'rotate', 'retire', 'reseal'] as const

export const options = { kid: { type: 'string' }, now: { type: 'boolean' } } as const

export async function run({ kid, now }: { kid?: string; now?: boolean }, [action]: string[]): Promise<void> {
  const config = loadConfig()
  assertDatabase(config.DATABASE_URL)
  const database = await openDatabase(config.DATABASE_URL, { migrate: config.MIGRATE_ON_START })
  try {
    const keys = await Keys.open(database, await openSecret(config, database))
    if (action === 'rotate') print(await rotate(keys, now))
    else if (action === 'retire') print(await retire(keys, kid))
    else if (action === 'reseal') print(...(await reseal(keys)))
    else print(...(await list(keys)))
  } finally {
    await database.close()
  }
}

async function rotate(keys: Keys, atOnce = false): Promise<string> {
  const kid = await keys.rotate({ atOnce })
  if (kid === undefined) return 'Another process has just published a key; see latchkey keys list.'
  return `Published ${kid}; ${atOnce ? 'it signs now, and all other keys are retired' : 'it signs in ten minutes'}.`
}

async function retire(keys: Keys, kid: string | undefined): Promise<string> {
  if (kid === undefined) throw new UsageError('--kid is needed; see latchkey keys list')
  if (!(await keys.retire(kid))) throw new UsageError(`there is no key ${kid}; see latchkey keys list`)
  return `Retired ${kid}.`
}

async function reseal(keys: Keys): Promise<string[]> {
  const kids = await keys.reseal()
  return kids.map((kid) => `Sealed ${kid} anew.`)
}

async function list(keys: Keys): Promise<string[]> {
  const rows = await keys.list()
  return rows.map(({ kid, signsFrom, retiresAt, opens }) => {
    const end = retiresAt === null ? '' : `, retires ${new Date(retiresAt).toISOString()}`
    return `${kid}  signs from ${new Date(signsFrom).toISOString()}${end}${opens ? '' : ', not used: does not open with this SECRET_KEY'}`
  })
}
