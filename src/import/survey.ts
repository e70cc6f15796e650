import type { Database } from '../database/database.js'
import { isInForce, type Scheme } from '../passwords/scheme.js'
import type { MappedTable } from './columns.js'
import type { StoredHash } from './password.js'
import type { Plan } from './plan.js'
import type { Duplicates, Stage } from './stage.js'
import { isUnclear, isUnclearOfRows, noteObjections, type StatusReport, statusReports } from './status-reports.js'
import { surveyRows } from './survey-rows.js'
import { addName, bump, emptyTally, type Named, type Tally } from './tally.js'
import { compareWith } from './target.js'
import { type ImportedUser, type Oddity, readUser } from './user.js'

const DUPLICATES_SHOWN = 20
/** Hashes that are not bcrypt, and take longer than bcrypt by the defaults of those who make them. */
const DEAR_FORMAT = /-crypt$|argon2|scrypt$/
/** bcrypt at this cost takes about as long as argon2id by its defaults. */
const COST_LIKE_ARGON2ID = 8

/** What an import would do. */
export interface Survey {
  /** The columns of users that are read, by what they are for, and those that are not. */
  columns: { used: Readonly<Record<string, string>>; unused: string[] }
  status: StatusReport[]
  /** What the columns do that say which rows are deleted; their names have that of the table before them. */
  rowStatus: StatusReport[]
  /**
   * Columns that hint at who may log in or at which rows are deleted, and that the operator has to explain before anything is
   * written.
   */
  unclear: string[]
  users: Tally
  tutorials?: Tally
  todos?: Tally
  /** How many passwords are of each format. */
  formats: Record<string, number>
  /** How many of these take longer than a hash of this service, by format and cost. */
  dear: Record<string, number>
  /** Hashes beside a column of Flask-Security, which hashes something else than the password. */
  keyedHashes: number
  /** Passwords in plain text, to be hashed. */
  plaintext: number
  /** People who come without a password that could be right, by reason. */
  withoutPassword: Record<string, number>
  /** Those of them whose password only looks like a hash. */
  hashlike: Named
  admins: number
  disabled: number
  /** People with names that could not be registered here, by what is odd about them. */
  outsideRules: Record<Oddity, Named>
  duplicates: { groups: number; examples: Duplicates[] }
  /** Ids that several people have. */
  sharedIds: Named
  /** People with blanks or line ends around their id, name, address or hash. */
  padded: number
  /** People whose time of creation cannot be told. */
  unknownTimes: number
  /** People whose display name cannot be kept. */
  lostNames: number
}

/** Reads the whole source, and compares it with itself and with the target, which may be missing. Writes nothing. */
export async function survey(plan: Plan, stage: Stage, target: Database | undefined): Promise<Survey> {
  const { users } = plan.tables
  const found = emptySurvey(users)
  if (users !== undefined) await surveyUsers(users, plan, stage, found)
  found.unclear = found.status.filter(isUnclear).map(({ column }) => column)
  stage.judgeDuplicates(plan.duplicates)
  found.duplicates = { groups: stage.countDuplicates(), examples: stage.duplicates(DUPLICATES_SHOWN) }
  if (target !== undefined) await compareWith(target, plan, stage)
  const { ready = 0, 'already here': already = 0, ...left } = stage.countOutcomes()
  for (const [why, count] of Object.entries(left)) bump(found.users.skipped, why, count)
  Object.assign(found.users, { ready, already })
  for (const kind of ['tutorials', 'todos'] as const) {
    const table = plan.tables[kind]
    if (table === undefined) continue
    const { tally, status } = await surveyRows(kind, table, { plan, stage, target })
    found[kind] = tally
    found.rowStatus.push(...status)
  }
  found.unclear.push(...found.rowStatus.filter(isUnclearOfRows).map(({ column }) => column))
  return found
}

function emptySurvey(users: MappedTable | undefined): Survey {
  const none = (): Named => ({ count: 0, names: [] })
  return {
    columns: { used: users?.columns ?? {}, unused: users?.unused ?? [] },
    status: statusReports(users?.status ?? []),
    rowStatus: [],
    unclear: [],
    users: emptyTally(),
    formats: {},
    dear: {},
    keyedHashes: 0,
    plaintext: 0,
    withoutPassword: {},
    hashlike: none(),
    admins: 0,
    disabled: 0,
    outsideRules: { invisible: none(), reserved: none(), other: none() },
    duplicates: { groups: 0, examples: [] },
    sharedIds: none(),
    padded: 0,
    unknownTimes: 0,
    lostNames: 0,
  }
}

async function surveyUsers(table: MappedTable, plan: Plan, stage: Stage, found: Survey): Promise<void> {
  for await (const row of table.rows()) {
    found.users.read += 1
    const user = readUser(row, table, plan)
    if (typeof user === 'string') bump(found.users.skipped, user)
    else addUser(user, { plan, stage, found })
  }
}

interface Context {
  plan: Plan
  stage: Stage
  found: Survey
}

function addUser(user: ImportedUser, { plan, stage, found }: Context): void {
  const added = stage.add(user)
  if (added === 'added') {
    notePassword(user, plan, found)
    note(user, found)
  } else bump(found.users.skipped, added)
  if (added === 'a shared id') addName(found.sharedIds, user.oldId)
}

function note(user: ImportedUser, found: Survey): void {
  const { oddity } = user
  if (user.wasAdmin) found.admins += 1
  if (user.isPadded) found.padded += 1
  if (user.hasUnknownTime) found.unknownTimes += 1
  if (user.isNameLost) found.lostNames += 1
  if (!user.isActive) found.disabled += 1
  noteObjections(user.objections, found.status)
  if (oddity !== null) addName(found.outsideRules[oddity], nameOf(user))
}

function nameOf({ username, email, oldId }: ImportedUser): string {
  return username ?? email ?? oldId
}

function notePassword(user: ImportedUser, { scheme, tables }: Plan, found: Survey): void {
  const { password } = user
  if (password.kind === 'plaintext') found.plaintext += 1
  else if (password.kind === 'none') {
    bump(found.withoutPassword, password.reason)
    if (password.reason === 'looks like a hash') addName(found.hashlike, nameOf(user))
  } else {
    bump(found.formats, password.format)
    if (tables.users && isKeyed(password.format, tables.users)) found.keyedHashes += 1
    if (password.isTooDear) bump(found.withoutPassword, 'asks for too much')
    else if (isDear(password, scheme)) bump(found.dear, settingsOf(password))
  }
}

function isDear({ hash, format, bcryptCost }: StoredHash, scheme: Scheme): boolean {
  if (isInForce(hash, scheme)) return false
  if (bcryptCost === undefined) return DEAR_FORMAT.test(format)
  return bcryptCost > (scheme.name === 'bcrypt' ? scheme.cost : COST_LIKE_ARGON2ID)
}

function settingsOf({ format, bcryptCost }: StoredHash): string {
  return bcryptCost === undefined ? format : `${format} of cost ${bcryptCost}`
}

/** Flask-Security hashes an HMAC of the password, keyed with a secret of its own; only Django's formats it takes as they are. */
function isKeyed(format: string, { columns, unused }: MappedTable): boolean {
  const names = [...Object.values(columns), ...unused]
  return !format.startsWith('Django') && names.some((name) => name.toLowerCase() === 'fs_uniquifier')
}
