import type { ParseArgsConfig } from 'node:util'
import { erasureKeys } from '../accounts/imported-ids.js'
import { type Config, loadConfig } from '../config/config.js'
import { type Database, DatabaseError } from '../database/database.js'
import { openDatabase } from '../database/open.js'
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
import { UsageError } from '../usage-error.js'
import { addressOf, announceDatabase, printNotice } from './database-address.js'

export const HELP = `Usage: latchkey import <source> [--apply] [options]

Takes over the people of another application, with their passwords and what is theirs. The source is only read. Without
--apply nothing is written: the command says what it would do.

  <source>             a file of SQLite, postgres://..., or the name of a variable of the environment that holds the
                       address; or a file of people: .csv, .tsv or .txt with a header, .jsonl with an object a
                       line
  --apply              write to the database of DATABASE_URL. What was ended in the middle goes on when called again
  --name <name>        what the source is called; old ids and LEGACY_TOKENS go by it (default: import)
  --map <field=column> where the usual names do not fit, several times or with commas:
                       users=members, username=login, password=pw, todos=tasks, todos.title=subject
                       active=<column> says who may log in, disabled=<column> who may not; with values, where the column
                       has its own: active=state:A|T
  --ignore-column <column>
                       a column of users that does not say who may log in, although its name sounds like it
  --encoding <name>    of a file that is not UTF-8: cp949, euc-kr, shift_jis, windows-1252, latin1, utf-16
  --plaintext          passwords that are no hash are the passwords themselves: hash them. Marks such as NULL, ! and *
                       are none, and neither is what looks like a hash
  --plaintext-all      also take what only looks like a hash for the password itself
  --duplicates <what>  of people who share a name or an address (capitals do not count): stop (default), oldest (the
                       first one who can log in keeps the name, the others are left out), skip (leave out all of them)
  --json               print the report as JSON

A file of SQLite is left as it is; tables and views are read, and --map users=schema.table names one of PostgreSQL. Blanks
around ids, names, addresses and hashes are cut off, NULL as text is no value, and times without a zone are UTC. Ids that
were rounded, and ids that two people have, are left out with their rows. Each source has a --name of its own.

Ids stay as they are where they are free here. Everybody comes as a user; latchkey users set-role makes admins.
Who is deleted, banned, locked, suspended or not active there comes as a disabled account; tutorials and todos that are
deleted there stay behind (--map todos.deleted=column, --ignore-column todos.column). The report names the columns
that say so, and the values in them that are not understood: these disable, too.

Exit codes: 0 done, or nothing stands in the way; 1 it cannot go on, people share a name, or a column has to be explained
first, or the source cannot be read; 64 wrong usage; 78 wrong settings.
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

export async function run(values: Values, [address]: string[]): Promise<void> {
  const { apply = false, name = 'import', map = [], 'ignore-column': ignored = [], json = false } = values
  if (address === undefined) throw new UsageError('say what to import; see latchkey import --help')
  if (!/^[a-z0-9_-]{1,32}$/.test(name)) throw new UsageError('--name takes small letters, digits, - and _')
  const duplicates = duplicatePolicy(values)
  const mapping = parseMapping(map, ignored)
  const config = loadConfig()
  const source = await openSource(/^postgres(ql)?:|[./]/.test(address) ? address : addressOf(address), values.encoding)
  try {
    const tables = mapTables(source, mapping)
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
    const passwords = new Passwords({ ...config, WORKERS: 1 })
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
      // The report for programs holds no sentence about what to type.
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
      if (!addsUp(result)) throw new Error('The numbers do not add up: the source was changed meanwhile')
    }
  } finally {
    await target?.close()
    stage.close()
  }
}

/** The database to write to. A dry run makes none, and does without where there is none yet. */
async function openTarget(config: Config, apply: boolean): Promise<Database | undefined> {
  try {
    return await openDatabase(config.DATABASE_URL, { migrate: apply, onNotice: printNotice })
  } catch (error) {
    if (apply || !(error instanceof DatabaseError)) throw error
    printError(`The names that are taken here were not looked at: ${error.message}`)
    return undefined
  }
}

function duplicatePolicy({ duplicates, twins }: Values): DuplicatePolicy {
  if (twins !== undefined) printError('--twins is called --duplicates now.')
  const text = duplicates ?? twins ?? 'stop'
  const policy = DUPLICATE_POLICIES.find((policy) => policy === text)
  if (policy === undefined) {
    const option = twins === undefined || duplicates !== undefined ? '--duplicates' : '--twins'
    throw new UsageError(`${option} takes ${DUPLICATE_POLICIES.join(', ')}`)
  }
  return policy
}

function plaintextOf({ plaintext, 'plaintext-all': all }: Values): Plaintext {
  if (all) return 'all'
  return plaintext ? 'obvious' : 'none'
}

/** How long the plaintext passwords will take, by one hash. */
async function hashingTime({ plaintext }: Survey, passwords: Passwords): Promise<number> {
  if (plaintext === 0) return 0
  const startedAt = performance.now()
  await passwords.hash('a password to take the time of')
  return ((performance.now() - startedAt) * plaintext) / passwords.slots
}
