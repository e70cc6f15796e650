import type { ParseArgsConfig } from 'node:util'
import { addressOf } from '../addresses.js'
import { type Config, loadConfig } from '../config.js'
import { type Database, DatabaseError, openDatabase } from '../database.js'
import { applyImport } from '../import/apply.js'
import { mapTables, parseMap } from '../import/columns.js'
import { Progress } from '../import/progress.js'
import { addsUp, describeResult, describeSurvey } from '../import/report.js'
import { openSource } from '../import/source.js'
import { Stage, TWIN_POLICIES, type TwinPolicy } from '../import/stage.js'
import { type Plan, type Survey, survey } from '../import/survey.js'
import { Passwords } from '../passwords.js'
import { print, printError, printJson } from '../terminal.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey import <source> [--apply] [options]

Takes over the people of another application, with their passwords and what is theirs. The source is only read. Without
--apply nothing is written: the command says what it would do.

  <source>             a file of SQLite, postgres://..., or the name of a variable of the environment that holds the
                       address; or a file of people: .csv with a header, .jsonl with an object a line
  --apply              write to the database of DATABASE_URL. What was ended in the middle goes on when called again
  --name <name>        what the source is called; old ids and LEGACY_TOKENS go by it (default: import)
  --map <field=column> where the usual names do not fit, several times or with commas:
                       users=members, username=login, password=pw, todos=tasks, todos.title=subject
  --encoding <name>    of a file that is not UTF-8: cp949, euc-kr, shift_jis, windows-1252, latin1, utf-16
  --plaintext          passwords that are no hash are the passwords themselves: hash them
  --twins <what>       of people whose names differ in capitals alone: stop (default), oldest (the first one keeps the
                       name, the others are left out), skip (leave out all of them)
  --json               print the report as JSON

Ids stay as they are where they are free here. Everybody comes as a user; latchkey users set-role makes admins.

Exit codes: 0 done, or nothing stands in the way; 1 it cannot go on, or people share a name; 64 usage.
`

export const OPERAND = '<source>'

export const options = {
  apply: { type: 'boolean' },
  name: { type: 'string' },
  map: { type: 'string', multiple: true },
  encoding: { type: 'string' },
  plaintext: { type: 'boolean' },
  twins: { type: 'string' },
  json: { type: 'boolean' },
} satisfies ParseArgsConfig['options']

interface Values {
  apply?: boolean
  name?: string
  map?: string[]
  encoding?: string
  plaintext?: boolean
  twins?: string
  json?: boolean
}

const EXIT_FAILURE = 1

export async function run(values: Values, [address]: string[]): Promise<void> {
  const { apply = false, name = 'import', map = [], plaintext = false, twins = 'stop', json = false } = values
  if (address === undefined) throw new UsageError('say what to import; see latchkey import --help')
  if (!/^[a-z0-9_-]{1,32}$/.test(name)) throw new UsageError('--name takes small letters, digits, - and _')
  const policy = twinPolicy(twins)
  const config = loadConfig()
  const source = await openSource(/^postgres(ql)?:|[./]/.test(address) ? address : addressOf(address), values.encoding)
  try {
    const plan = { source: name, tables: mapTables(source, parseMap(map)), twins: policy, isPlaintext: plaintext }
    await runPlan(plan, config, { apply, json })
  } finally {
    await source.close()
  }
}

async function runPlan(plan: Plan, config: Config, { apply, json }: { apply: boolean; json: boolean }): Promise<void> {
  const stage = await Stage.open()
  const target = await openTarget(config, apply)
  try {
    const passwords = new Passwords({ ...config, WORKERS: 1 })
    const found = await survey(plan, stage, target)
    const isBlocked = plan.twins === 'stop' && found.twins.groups > 0
    if (isBlocked) process.exitCode = EXIT_FAILURE
    if (!apply || isBlocked) {
      if (json) printJson(found, 2)
      else {
        print(...describeSurvey(found, await hashingTime(found, passwords)))
        print(isBlocked ? 'Nothing was written: say --twins first.' : 'Nothing was written: add --apply.')
      }
    } else if (target !== undefined) {
      const progress = new Progress({
        users: found.users.read,
        tutorials: found.tutorials?.read ?? 0,
        todos: found.todos?.read ?? 0,
      })
      const result = await applyImport({ plan, stage, database: target, passwords, progress })
      if (json) printJson(result, 2)
      else print(...describeResult(result))
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
    return await openDatabase(config.DATABASE_URL, { migrate: apply })
  } catch (error) {
    if (apply || !(error instanceof DatabaseError)) throw error
    printError(`The names that are taken here were not looked at: ${error.message}`)
    return undefined
  }
}

function twinPolicy(text: string): TwinPolicy {
  const policy = TWIN_POLICIES.find((policy) => policy === text)
  if (policy === undefined) throw new UsageError(`--twins takes ${TWIN_POLICIES.join(', ')}`)
  return policy
}

/** How long the plaintext passwords will take, by one hash. */
async function hashingTime({ plaintext }: Survey, passwords: Passwords): Promise<number> {
  if (plaintext === 0) return 0
  const startedAt = performance.now()
  await passwords.hash('a password to take the time of')
  return ((performance.now() - startedAt) * plaintext) / passwords.slots
}
