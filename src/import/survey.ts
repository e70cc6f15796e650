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
/** Hashes other than bcrypt that take longer than bcrypt, at their formats' defaults. */
const EXPENSIVE_FORMAT = /-crypt$|argon2|scrypt$/
/** The cost at which bcrypt takes about as long as argon2id at its defaults. */
const COST_LIKE_ARGON2ID = 8

/** What an import would do. */
export interface Survey {
  /** The columns of users that are read, by field, and those that are not. */
  columns: { used: Readonly<Record<string, string>>; unused: string[] }
  status: StatusReport[]
  /** The effect of the columns that determine which rows are deleted, named with their table. */
  rowStatus: StatusReport[]
  /**
   * Columns that may determine who may log in or which rows are deleted. The operator must explain them before anything
   * is written.
   */
  unclear: string[]
  users: Tally
  tutorials?: Tally
  todos?: Tally
  /** The number of passwords in each format. */
  formats: Record<string, number>
  /** The number of hashes that take longer than a hash of this service, by format and cost. */
  dear: Record<string, number>
  /**
   * Hashes in a table with Flask-Security's column: they are hashes of an HMAC of the password, so no log-in can
   * succeed.
   */
  keyedHashes: number
  /** The number of plaintext passwords to hash. */
  plaintext: number
  /** The number of users without a usable password, by reason. */
  withoutPassword: Record<string, number>
  /** Those users whose password only looks like a hash. */
  hashlike: Named
  admins: number
  disabled: number
  /** Users with names that cannot be registered here, by reason. */
  outsideRules: Record<Oddity, Named>
  duplicates: { groups: number; examples: Duplicates[] }
  /** Ids that several users share. */
  sharedIds: Named
  /** The number of users with blanks or line ends around their id, name, address or hash. */
  padded: number
  /** The number of users whose time of creation is unreadable. */
  unknownTimes: number
  /** The number of users whose display name cannot be stored. */
  lostNames: number
}

/** Reads the whole source, and looks for conflicts within it and with the target, if there is one. Writes nothing. */
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
    if (password.isTooExpensive) bump(found.withoutPassword, 'asks for too much')
    else if (isExpensive(password, scheme)) bump(found.dear, settingsOf(password))
  }
}

function isExpensive({ hash, format, bcryptCost }: StoredHash, scheme: Scheme): boolean {
  if (isInForce(hash, scheme)) return false
  if (bcryptCost === undefined) return EXPENSIVE_FORMAT.test(format)
  return bcryptCost > (scheme.name === 'bcrypt' ? scheme.cost : COST_LIKE_ARGON2ID)
}

function settingsOf({ format, bcryptCost }: StoredHash): string {
  return bcryptCost === undefined ? format : `${format} of cost ${bcryptCost}`
}

/** Flask-Security hashes an HMAC of the password, keyed with its own secret, except in Django's formats. */
function isKeyed(format: string, { columns, unused }: MappedTable): boolean {
  const names = [...Object.values(columns), ...unused]
  return !format.startsWith('Django') && names.some((name) => name.toLowerCase() === 'fs_uniquifier')
}
