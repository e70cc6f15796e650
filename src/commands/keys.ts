import { loadConfig } from '../config.js'
import { openDatabase } from '../database.js'
import { Keys } from '../keys.js'
import { openSecret } from '../secret.js'
import { print } from '../terminal.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey keys <list | rotate | retire> [--kid <kid>]

The keys that sign access tokens. A service that runs learns of a change within a second; nothing is restarted.

  list     show them
  rotate   publish the next key; it signs in ten minutes, and the one before verifies until its last token has expired
  retire   end the key of --kid at once, for one that leaked: its tokens stop working, and people refresh theirs
`

export const ACTIONS = ['list', 'rotate', 'retire'] as const

export const options = { kid: { type: 'string' } } as const

export async function run({ kid }: { kid?: string }, [action]: string[]): Promise<void> {
  const config = loadConfig()
  const database = await openDatabase(config.DATABASE_URL, { migrate: config.MIGRATE_ON_START })
  try {
    const keys = await Keys.open(database, await openSecret(config, database))
    if (action === 'rotate') print(await rotate(keys))
    else if (action === 'retire') print(await retire(keys, kid))
    else print(...(await list(keys)))
  } finally {
    await database.close()
  }
}

async function rotate(keys: Keys): Promise<string> {
  const kid = await keys.rotate()
  return kid === undefined ? 'Another process has just published a key.' : `Published ${kid}; it signs in ten minutes.`
}

async function retire(keys: Keys, kid: string | undefined): Promise<string> {
  if (kid === undefined) throw new UsageError('--kid is needed; see latchkey keys list')
  if (!(await keys.retire(kid))) throw new UsageError(`there is no key ${kid}; see latchkey keys list`)
  return `Retired ${kid}.`
}

async function list(keys: Keys): Promise<string[]> {
  const rows = await keys.list()
  return rows.map(({ kid, signsFrom, retiresAt }) => {
    const end = retiresAt === null ? '' : `, retires ${new Date(retiresAt).toISOString()}`
    return `${kid}  signs from ${new Date(signsFrom).toISOString()}${end}`
  })
}
