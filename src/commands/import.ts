import type { ParseArgsConfig } from 'node:util'
import { erasureKeys } from '../accounts/imported-ids.js'
import { type Config, loadConfig } from '../config/config.js'
import { type Database, DatabaseError } from '../database/database.js'
import { applyImport } from '../import/apply.js'
import { recordImport } from '../import/audit.js'
import { mapTables, parseMapping } from '../import/columns.js'
import { openSource } from '../import/open-source.js'
import type { Plaintext } from '../import/password.js'
import type { Plan } from '../import/plan.js'
import { Progress } from '../import/progress.js'
import { addsUp, describe, obstacles } from '../import/report.js'
import { DUPLICATE_POLICIES, type DuplicatePolicy, Stage } from '../import/stage.js'
import { type Survey, survey } from '../import/survey.js'
import { Passwords } from '../passwords/passwords.js'
import { schemeOf } from '../passwords/scheme.js'
import { print, printError, printJson } from '../terminal.js'
import { COMMAND_TIMEOUTS } from '../timeouts.js'
import { UsageError } from '../usage-error.js'
import { addressOf, announceDatabase, openForCommand } from './database-address.js'

export const HELP = `Usage: latchkey import <source> [--apply] [options]

Imports the people of another application, with their passwords and their rows. The source is only read. Without --apply
nothing is written: the command reports what it would do.

  <source>             an SQLite file, postgres://..., or the name of an environment variable that holds the address;
                       or a file of people: .csv, .tsv or .txt with a header, .jsonl with one object per line
  --apply              write to the database of DATABASE_URL. An import that was interrupted continues when run again
  --name <name>        the name of the source, which old ids and LEGACY_TOKENS refer to (default: import)
  --map <field=column> names columns that are not recognised; repeat the option or use commas:
                       users=members, username=login, password=pw, todos=tasks, todos.title=subject
                       active=<column> says who may log in, disabled=<column> who may not; append the values if the
                       column has values of its own: active=state:A|T
  --ignore-column <column>
                       a column of users that does not decide who may log in, although its name suggests it
  --encoding <name>    the encoding of a file that is not UTF-8: cp949, euc-kr, shift_jis, windows-1252, latin1, utf-16
  --plaintext          hash the values that are not hashes, as plain passwords. Marks such as NULL, ! and * are not
                       passwords, and neither is a value that looks like a hash
  --plaintext-all      hash the values that only look like a hash, too
  --duplicates <what>  when people share a name or an address (case is ignored): stop (default), oldest (the first one
                       who can log in keeps the name, the others are left out), skip (leave out all of them)
  --json               print the report as JSON

An SQLite file is not changed. Tables and views are read; --map users=schema.table names one in PostgreSQL. Spaces around ids,
names, addresses and hashes are trimmed, the text NULL means no value, and times without a zone are UTC. People whose ids
were rounded or occur twice are left out with their rows. Each source needs a --name of its own.

People keep their ids where those are free. Everyone is imported with the role user; latchkey users set-role makes admins.
People who are deleted, banned, locked, suspended or inactive in the source become disabled accounts; deleted tutorials and todos are
not imported (--map todos.deleted=column, --ignore-column todos.column). The report names the columns that decide this, and
their unknown values, which disable an account too.

Exit codes: 0 done, or nothing prevents the import; 1 people share a name, a column has to be explained first, or the source
cannot be read; 64 wrong usage; 78 wrong settings.
`

export const OPERAND = '<source>'

export const options = {
  apply: { type: 'boolean' },
  name: { type: 'string' },
  map: { type: 'string', multiple: true },
  encoding: { type: 'string' },
  'ignore-column': { type: 'string', multiple: true },
  plaintext: { type: 'boolean' },
  'plaintext-all': { type: 'boolean' },
  duplicates: { type: 'string' },
  twins: { type: 'string' },
  json: { type: 'boolean' },
} satisfies ParseArgsConfig['options']

interface Values {
  apply?: boolean
  name?: string
  map?: string[]
  encoding?: string
  'ignore-column'?: string[]
  plaintext?: boolean
  'plaintext-all'?: boolean
  duplicates?: string
  /** The former name of `duplicates`. */
  twins?: string
  json?: boolean
}

const EXIT_FAILURE = 1

export async function run(values: Values, [address, extra]: string[]): Promise<void> {
  const { apply = false, name = 'import', map = [], 'ignore-column': ignored = [], json = false } = values
  if (address === undefined) throw new UsageError('missing argument <source>; see latchkey import --help')
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}": latchkey import takes one source`)
  if (!/^[a-z0-9_-]{1,32}$/.test(name))
    throw new UsageError('--name must be 1 to 32 lower-case letters, digits, - and _')
  const duplicates = duplicatePolicy(values)
  const mapping = parseMapping(map, ignored)
  const source = await openSource(/^postgres(ql)?:|[./]/.test(address) ? address : addressOf(address), values.encoding)
  try {
    const tables = mapTables(source, mapping)
    // After the command line was checked in full: with both wrong, the exit code is that of wrong usage.
    const config = loadConfig()
    const plan = { source: name, tables, duplicates, plaintext: plaintextOf(values), now: Date.now() }
    await runPlan({ ...plan, scheme: schemeOf(config) }, config, { apply, json })
  } finally {
    await source.close()
  }
}

async function runPlan(
  wanted: Omit<Plan, 'erasureKeys'>,
  config: Config,
  { apply, json }: { apply: boolean; json: boolean },
): Promise<void> {
  const stage = await Stage.open()
  const target = await openTarget(config, apply)
  try {
    const passwords = new Passwords(config, { deadlineMs: COMMAND_TIMEOUTS.hashMs })
    const plan = { ...wanted, erasureKeys: target ? await erasureKeys(config, target, wanted.source) : [] }
    const found = await survey(plan, stage, target)
    announceDatabase(config.DATABASE_URL)
    const inTheWay = obstacles(found, plan.duplicates === 'stop' && found.duplicates.groups + found.sharedIds.count > 0)
    if (inTheWay.length > 0) process.exitCode = EXIT_FAILURE
    if (!apply || inTheWay.length > 0) {
      if (json) printJson(found, 2)
      else {
        print(...describe(found, 'to import', await hashingTime(found, passwords)))
        const next = inTheWay.length === 0 ? ['add --apply'] : inTheWay
        print(...next.map((what) => `Nothing was written: ${what}.`))
      }
      // The JSON report does not say what to do next.
      if (json) for (const what of inTheWay) printError(`Nothing was written: ${what}.`)
    } else if (target !== undefined) {
      const progress = new Progress({
        users: found.users.read,
        tutorials: found.tutorials?.read ?? 0,
        todos: found.todos?.read ?? 0,
      })
      const apply = () => applyImport({ plan, stage, database: target, passwords, progress })
      const result = await recordImport(target, config, { source: plan.source, apply })
      const done = { ...found, ...result }
      if (json) printJson(done, 2)
      else print(...describe(done, 'imported'))
      if (!addsUp(result)) throw new Error('The numbers do not add up: the source changed during the import')
    }
  } finally {
    await target?.close()
    stage.close()
  }
}

/** The target database. A dry run does not create it, and continues without it. */
async function openTarget(config: Config, apply: boolean): Promise<Database | undefined> {
  try {
    return await openForCommand(config.DATABASE_URL, { migrate: apply })
  } catch (error) {
    if (apply || !(error instanceof DatabaseError)) throw error
    printError(`Could not check which names are already taken here: ${error.message}`)
    return undefined
  }
}

function duplicatePolicy({ duplicates, twins }: Values): DuplicatePolicy {
  if (twins !== undefined) printError('--twins was renamed to --duplicates.')
  const text = duplicates ?? twins ?? 'stop'
  const policy = DUPLICATE_POLICIES.find((policy) => policy === text)
  if (policy === undefined) {
    const option = twins === undefined || duplicates !== undefined ? '--duplicates' : '--twins'
    throw new UsageError(`${option} must be one of ${DUPLICATE_POLICIES.join(', ')}`)
  }
  return policy
}

function plaintextOf({ plaintext, 'plaintext-all': all }: Values): Plaintext {
  if (all) return 'all'
  return plaintext ? 'obvious' : 'none'
}

/** An estimate of the time to hash the plaintext passwords, from one hash. */
async function hashingTime({ plaintext }: Survey, passwords: Passwords): Promise<number> {
  if (plaintext === 0) return 0
  const startedAt = performance.now()
  await passwords.hash('a password to take the time of')
  return ((performance.now() - startedAt) * plaintext) / passwords.slots
}
