import { domainToUnicode } from 'node:url'
import { and, eq, inArray, or } from 'drizzle-orm'
import type { Database, Tables } from '../database.js'
import { identifierKey } from '../identifiers.js'
import { keptForms } from '../imported-ids.js'
import type { Kind, MappedTable, StatusColumn } from './columns.js'
import { readOwnedRow } from './owned-row.js'
import type { DuplicatePolicy, Duplicates, Stage } from './stage.js'
import { type ImportedUser, type Objection, type Oddity, type ReadOptions, readUser } from './user.js'

/** What the ids of each kind are filed under. */
export const FILED_AS = { users: 'user', tutorials: 'tutorial', todos: 'todo' } as const
/** What is asked of the target at once. */
const PEOPLE_AT_ONCE = 500
const DUPLICATES_SHOWN = 20
const NAMES_SHOWN = 10
/** Different values of a column that are counted; one that holds more is no status. */
const VALUES_COUNTED = 100
const VALUE_MAX_LENGTH = 60

/** Where people come from. */
export interface Origin {
  /** What this source is called; its ids and old tokens are told apart from others' by it. */
  source: string
  /** The keys by which people of this source are recognised who have been deleted here since. */
  erasureKeys: readonly Buffer[]
}

export interface Plan extends ReadOptions, Origin {
  tables: Partial<Record<Kind, MappedTable>>
  duplicates: DuplicatePolicy
}

/** How many rows there are, and what becomes of them: the first number is the sum of the others. */
export interface Tally {
  read: number
  ready: number
  already: number
  skipped: Record<string, number>
}

/** How many there are, and the names of some. */
export interface Named {
  count: number
  names: string[]
}

/** What a column that says who may log in does. */
export interface StatusReport {
  column: string
  kind: StatusColumn['kind']
  isMapped: boolean
  /** How many people it keeps out. */
  disables: number
  /** The values among theirs that are not understood, with how often they come. */
  unknown: Record<string, number>
}

/** What an import would do. */
export interface Survey {
  /** The columns of users that are read, by what they are for, and those that are not. */
  columns: { used: Readonly<Record<string, string>>; unused: string[] }
  status: StatusReport[]
  /** Columns that hint at who may log in, and that the operator has to explain before anything is written. */
  unclear: string[]
  users: Tally
  tutorials?: Tally
  todos?: Tally
  /** How many passwords are of each format. */
  formats: Record<string, number>
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
  const { ready = 0, 'already here': already = 0, ...left } = stage.countFates()
  for (const [why, count] of Object.entries(left)) bump(found.users.skipped, why, count)
  Object.assign(found.users, { ready, already })
  for (const kind of ['tutorials', 'todos'] as const) {
    const table = plan.tables[kind]
    if (table !== undefined) found[kind] = await surveyRows(kind, table, plan, stage, target)
  }
  return found
}

function emptySurvey(users: MappedTable | undefined): Survey {
  const none = (): Named => ({ count: 0, names: [] })
  return {
    columns: { used: users?.columns ?? {}, unused: users?.unused ?? [] },
    status: (users?.status ?? []).map(({ column, kind, isMapped }) => ({
      ...{ column, kind, isMapped },
      disables: 0,
      unknown: Object.create(null),
    })),
    unclear: [],
    users: emptyTally(),
    formats: {},
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
  }
}

/** A name alone does not say what a number or a word in a column of states means. */
function isUnclear({ kind, isMapped, unknown }: StatusReport): boolean {
  return !isMapped && (kind === 'unclear' || (kind === 'status' && Object.keys(unknown).length > 0))
}

export function emptyTally(): Tally {
  return { read: 0, ready: 0, already: 0, skipped: {} }
}

export function bump(counts: Record<string, number>, key: string, by = 1): void {
  counts[key] = (counts[key] ?? 0) + by
}

async function surveyUsers(table: MappedTable, plan: Plan, stage: Stage, found: Survey): Promise<void> {
  for await (const row of table.rows()) {
    found.users.read += 1
    const user = readUser(row, table, plan)
    if (typeof user === 'string') bump(found.users.skipped, user)
    else addUser(user, stage, found)
  }
}

function addUser(user: ImportedUser, stage: Stage, found: Survey): void {
  const added = stage.add(user)
  if (added === 'added') note(user, found)
  else bump(found.users.skipped, added)
  if (added === 'a shared id') addName(found.sharedIds, user.oldId)
}

function note(user: ImportedUser, found: Survey): void {
  const { password, oddity } = user
  const name = user.username ?? user.email ?? user.oldId
  if (password.kind === 'hash') bump(found.formats, password.format)
  else if (password.kind === 'plaintext') found.plaintext += 1
  else bump(found.withoutPassword, password.reason)
  if (password.kind === 'hash' && password.isTooDear) bump(found.withoutPassword, 'asks for too much')
  if (password.kind === 'none' && password.reason === 'looks like a hash') addName(found.hashlike, name)
  if (user.wasAdmin) found.admins += 1
  if (user.isPadded) found.padded += 1
  if (user.hasUnknownTime) found.unknownTimes += 1
  if (!user.isActive) found.disabled += 1
  for (const objection of user.objections) noteObjection(objection, found)
  if (oddity !== null) addName(found.outsideRules[oddity], name)
}

function noteObjection({ column, verdict, value }: Objection, { status }: Survey): void {
  const report = status.find((report) => report.column === column)
  if (report === undefined) return
  report.disables += 1
  if (verdict !== 'unknown') return
  const text = value.slice(0, VALUE_MAX_LENGTH)
  const isKnown = Object.hasOwn(report.unknown, text) || Object.keys(report.unknown).length < VALUES_COUNTED
  bump(report.unknown, isKnown ? text : 'others')
}

function addName(named: Named, name: string): void {
  named.count += 1
  if (named.names.length < NAMES_SHOWN) named.names.push(name)
}

/** Who was taken over before, and whose name somebody has here. */
async function compareWith({ db, tables }: Database, origin: Origin, stage: Stage): Promise<void> {
  const { users } = tables
  for (const people of stage.ready(PEOPLE_AT_ONCE)) {
    const oldIds = people.map(({ oldId }) => oldId)
    const here = await namesImported({ db, tables }, origin, oldIds)
    const keys = people.flatMap(keysOf)
    const taken = await db
      .select({ usernameKey: users.usernameKey, emailKey: users.emailKey })
      .from(users)
      .where(or(inArray(users.usernameKey, keys), inArray(users.emailKey, keys)))
    const names = new Set(taken.flatMap(({ usernameKey, emailKey }) => [usernameKey, emailKey]))
    for (const { oldId, usernameKey, emailKey } of people) {
      const isTaken = keysOf({ usernameKey, emailKey }).some((key) => names.has(key))
      const oldName = here.get(oldId)
      if (oldName !== undefined) {
        const isSame = oldName === null || [usernameKey, emailKey].includes(identifierKey(oldName.trim()))
        stage.setFate(oldId, isSame ? 'already here' : "an id of somebody else's in an earlier import of this --name")
      } else if (isTaken) stage.setFate(oldId, 'a name taken here')
    }
  }
}

/** What somebody may be known by here. Older versions kept the domain of an address as it was typed. */
function keysOf({ usernameKey, emailKey }: { usernameKey: string | null; emailKey: string | null }): string[] {
  return [usernameKey, emailKey].flatMap((key) => {
    const [, local, domain] = /^(.*@)(.*xn--.*)$/.exec(key ?? '') ?? []
    return key === null ? [] : domain === undefined ? [key] : [key, `${local}${domainToUnicode(domain)}`]
  })
}

async function surveyRows(
  kind: 'tutorials' | 'todos',
  table: MappedTable,
  origin: Origin,
  stage: Stage,
  target: Database | undefined,
): Promise<Tally> {
  const tally = emptyTally()
  let ids: string[] = []
  const settle = async () => {
    const here = target ? await idsImported(target, origin, FILED_AS[kind], ids) : new Map()
    tally.already += here.size
    tally.ready += ids.length - here.size
    ids = []
  }
  for await (const source of table.rows()) {
    tally.read += 1
    const row = readOwnedRow(source, kind, table)
    const skip = typeof row === 'string' ? row : whyLeftOut(stage, row.oldOwner)
    if (typeof row === 'string' || skip !== undefined) bump(tally.skipped, skip ?? '')
    else if (!stage.addRow(kind, row.oldId)) bump(tally.skipped, 'an id that came before')
    else ids.push(row.oldId)
    if (ids.length === PEOPLE_AT_ONCE) await settle()
  }
  await settle()
  return tally
}

/** Why a row cannot come; undefined when its owner does. */
export function whyLeftOut(stage: Stage, oldOwner: string): string | undefined {
  const fate = stage.fateOf(oldOwner)
  if (fate === 'ready' || fate === 'taken over' || fate === 'already here') return undefined
  return fate === undefined ? 'an owner who is not there' : 'an owner who is left out'
}

/** The names that those who were taken over before had in their source, by their old ids; null for those deleted since. */
async function namesImported(
  { db, tables: { importedIds } }: Pick<Database, 'db' | 'tables'>,
  origin: Origin,
  oldIds: string[],
): Promise<Map<string, string | null>> {
  const { oldId, oldName, kind, source } = importedIds
  const idOfForm = idsByForm(origin, oldIds)
  const isMeant = and(eq(source, origin.source), eq(kind, 'user'), inArray(oldId, [...idOfForm.keys()]))
  const rows = await db.select({ oldId, oldName }).from(importedIds).where(isMeant)
  return new Map(rows.map((row) => [idOfForm.get(row.oldId) ?? row.oldId, row.oldName]))
}

/** The new ids of those that were taken over before, by their old ones. */
export async function idsImported(
  { db, tables: { importedIds } }: Pick<Database, 'db' | 'tables'>,
  origin: Origin,
  kind: Tables['importedIds']['$inferSelect']['kind'],
  oldIds: string[],
): Promise<Map<string, number>> {
  if (oldIds.length === 0) return new Map()
  const { oldId, newId, source } = importedIds
  const idOfForm = idsByForm(origin, oldIds)
  const isMeant = and(eq(source, origin.source), eq(importedIds.kind, kind), inArray(oldId, [...idOfForm.keys()]))
  const rows = await db.select({ oldId, newId }).from(importedIds).where(isMeant)
  return new Map(rows.map((row) => [idOfForm.get(row.oldId) ?? row.oldId, row.newId]))
}

/** Old ids by the forms in which they may be kept. */
function idsByForm({ erasureKeys, source }: Origin, oldIds: string[]): Map<string, string> {
  return new Map(oldIds.flatMap((oldId) => keptForms(erasureKeys, source, oldId).map((form) => [form, oldId])))
}
