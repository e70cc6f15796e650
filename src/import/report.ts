import { grouped, spelled } from './progress.js'
import type { ImportResult } from './run.js'
import type { Duplicates } from './stage.js'
import type { StatusReport } from './status-reports.js'
import type { Survey } from './survey.js'
import type { Named, Tally } from './tally.js'

const KINDS = ['users', 'tutorials', 'todos'] as const
const INDENT = ' '.repeat(12)
const VALUES_SHOWN = 10

const WITHOUT_PASSWORD: Record<string, string> = {
  empty: 'empty',
  unusable: 'marked as unusable in the source',
  unknown: 'not a supported hash; if these are plain passwords, add --plaintext',
  unstorable: 'a plain password that is too long or is no text',
  'looks like a hash': 'that look like an unsupported hash, and are not imported as passwords:',
  'asks for too much': 'a hash that needs more time or memory than a log-in may use',
}

const ODDITIES: Record<keyof Survey['outsideRules'], string> = {
  reserved: 'with a user name that is reserved here; they can log in with it:',
  invisible: 'with invisible characters in a name; they can log in with it:',
  other: 'with a name that could not be registered here; they can log in with it:',
}

/**
 * The report of an import or a dry run, as lines of text. `hashingMs` is the estimated time to hash plaintext
 * passwords; undefined once they are hashed.
 */
export function describe(found: Survey, what: 'to import' | 'imported', hashingMs?: number): string[] {
  return [
    ...tallies(found, what),
    '',
    ...describeColumns(found),
    ...describeDeleted(found),
    '',
    'Passwords',
    ...describePasswords(found, hashingMs),
    '',
    'Worth knowing',
    ...orNothing([
      ...some(found.disabled, 'disabled in the source, and here'),
      ...some(found.admins, 'admins in the source, users here: see latchkey users set-role'),
      ...Object.entries(found.outsideRules).flatMap(([oddity, named]) =>
        some(named.count, ODDITIES[oddity as keyof typeof ODDITIES], namesOf(named)),
      ),
      ...describeDuplicates(found.duplicates),
      ...some(
        found.sharedIds.count,
        'with an id that another person has too, or with rows that disagree on whether they may log in. All of them are left out, with their rows:',
        namesOf(found.sharedIds),
      ),
      ...some(
        found.padded,
        'with blanks or line breaks around an id, a name, an address or a hash: imported without them',
      ),
      ...some(found.lostNames, 'with a display name that is too long, contains NUL or is no text: imported without it'),
      ...some(
        found.unknownTimes,
        'with an unclear time of creation, such as 05/06/2022: the time of this import is used',
      ),
    ]),
  ]
}

/**
 * The options that the operator must add before anything is written, one sentence each. Empty if nothing is missing.
 */
export function obstacles(found: Survey, isStoppedByDuplicates: boolean): string[] {
  const ignore = found.unclear.map((column) => `--ignore-column ${column}`).join(' ')
  const first = found.unclear[0]
  const isOfRows = found.rowStatus.some(({ column }) => column === first)
  const [, table = '', column = ''] = (isOfRows && /^(\w+\.)(.*)$/.exec(first ?? '')) || [null, '', first]
  const says = isOfRows ? 'which rows are deleted' : 'who may log in'
  return [
    ...(first === undefined
      ? []
      : [
          `explain what ${found.unclear.join(', ')} ${found.unclear.length === 1 ? 'means' : 'mean'}: --map ${table}active=${column} or --map ${table}${isOfRows ? 'deleted' : 'disabled'}=${column} if the column says ${says}, or ${ignore}`,
        ]),
    ...(isStoppedByDuplicates ? ['add --duplicates oldest or --duplicates skip'] : []),
  ]
}

/** Whether the number of read rows of each kind is the sum of their outcomes. */
export function addsUp(result: ImportResult): boolean {
  return KINDS.every((kind) => {
    const tally: Tally | undefined = result[kind]
    return tally === undefined || tally.read === tally.ready + tally.already + sum(tally.skipped)
  })
}

function describeColumns({ columns, status, unclear }: Survey): string[] {
  const used = Object.entries(columns.used).map(([field, column]) => (field === column ? field : `${field}=${column}`))
  return [
    'Columns of users',
    `${INDENT}read: ${used.join(', ')}`,
    ...(columns.unused.length > 0 ? [`${INDENT}not read: ${columns.unused.join(', ')}`] : []),
    '',
    'Who may log in',
    ...status.filter(({ column }) => !unclear.includes(column)).flatMap(describeStatus),
    ...status.filter(({ column }) => unclear.includes(column)).flatMap(describeUnclear),
    ...(status.length === 0 ? [`${INDENT}everyone: no column says otherwise`] : []),
  ]
}

/** The columns that exclude rows. */
function describeDeleted({ rowStatus, unclear }: Survey): string[] {
  const lines = rowStatus.flatMap((report) => {
    const { column, disables, unknown } = report
    if (unclear.includes(column)) return [line(disables, `left out until ${column} is explained`)]
    return [line(disables, `deleted in the source, and left out: ${column}`), ...describeUnknown(unknown)]
  })
  return lines.length === 0 ? [] : ['', 'Rows that are deleted in the source', ...lines]
}

function describeUnknown(unknown: Record<string, number>): string[] {
  return some(sum(unknown), `of them because of an unknown value: ${valuesOf(unknown)}`)
}

function describeStatus({ column, kind, disables, unknown }: StatusReport): string[] {
  const isOfDisabled = ['disabled', 'disabledUntil', 'maybeDisabled', 'role', 'region'].includes(kind)
  const says = isOfDisabled ? 'who is disabled' : 'who is active'
  const people = isOfDisabled ? 'disabled' : 'not active, and disabled here'
  return [line(disables, `${people}: ${column}, read as the column that says ${says}`), ...describeUnknown(unknown)]
}

function describeUnclear({ column, unknown }: StatusReport): string[] {
  return [line(sum(unknown), `with a value in ${column} whose meaning is unclear: ${valuesOf(unknown)}`)]
}

function describePasswords(found: Survey, hashingMs?: number): string[] {
  const { formats, plaintext, withoutPassword, hashlike, dear, keyedHashes } = found
  const expensive = Object.entries(dear).map(([settings, count]) => `${settings} (${grouped(count)})`)
  return [
    ...Object.entries(formats)
      .sort(([, left], [, right]) => right - left)
      .map(([format, count]) => line(count, format)),
    ...some(
      plaintext,
      `in plain text${hashingMs === undefined ? '' : `: hashing them takes about ${spelled(hashingMs)}`}`,
    ),
    ...Object.entries(withoutPassword).flatMap(([why, count]) => [
      line(count, WITHOUT_PASSWORD[why] ?? why),
      ...(why === 'looks like a hash' ? namesOf(hashlike) : []),
    ]),
    ...some(sum(dear), `that take longer than this service's own hashes: ${expensive.join(', ')}`, [
      `${INDENT}While such hashes exist, every failed log-in takes as long. Each is replaced when its user first logs in; send a password reset to users who do not log in, or disable them.`,
    ]),
    ...some(keyedHashes, 'beside fs_uniquifier, a column of Flask-Security: these passwords may not work', [
      `${INDENT}Flask-Security hashes an HMAC of the password (SECURITY_PASSWORD_SALT), unless SECURITY_PASSWORD_SINGLE_HASH is set: then the passwords work.`,
      `${INDENT}Otherwise an admin must create a password reset for each of these people (POST /v1/users/{id}/password-reset).`,
    ]),
    ...(sum(withoutPassword) > 0
      ? [
          `${INDENT}People without a working password are imported too: an admin must create a password reset for each (POST /v1/users/{id}/password-reset).`,
        ]
      : []),
  ]
}

function describeDuplicates({ groups, examples }: Survey['duplicates']): string[] {
  if (groups === 0) return []
  const describe = ({ name, oldId, canLogIn }: Duplicates['people'][number]) =>
    `${JSON.stringify(name)} (id ${oldId}${canLogIn ? '' : ', cannot log in'})`
  return [
    line(groups, 'names or addresses that several people share (case is ignored):'),
    ...examples.map(({ key, people }) => `${INDENT}${key}: ${people.map(describe).join(', ')}`),
    `${INDENT}--duplicates oldest gives the name to the first of them who can log in; --duplicates skip leaves out all of them.`,
    `${INDENT}Rows of people who are left out are left out too.`,
  ]
}

function tallies(found: ImportResult, what: string): string[] {
  return KINDS.flatMap((kind) => {
    const tally = found[kind]
    if (tally === undefined) return []
    return [
      `${kind}: ${grouped(tally.read)} read`,
      line(tally.ready, what),
      ...some(tally.already, 'imported before'),
      ...Object.entries(tally.skipped).map(([why, count]) => line(count, `left out: ${why}`)),
    ]
  })
}

function namesOf({ count, names }: Named): string[] {
  if (count === 0) return []
  return [`${INDENT}${names.map((name) => JSON.stringify(name)).join(', ')}${count > names.length ? ', ...' : ''}`]
}

function valuesOf(counts: Record<string, number>): string {
  const values = Object.entries(counts).sort(([, left], [, right]) => right - left)
  const shown = values.slice(0, VALUES_SHOWN).map(([value, count]) => `${JSON.stringify(value)} (${grouped(count)})`)
  return `${shown.join(', ')}${values.length > VALUES_SHOWN ? ', ...' : ''}`
}

/** A line with its details, unless the count is 0. */
function some(count: number, what: string, details: string[] = []): string[] {
  return count === 0 ? [] : [line(count, what), ...details]
}

function orNothing(lines: string[]): string[] {
  return lines.length === 0 ? [`${INDENT}nothing`] : lines
}

function line(count: number, what: string): string {
  return `${grouped(count).padStart(10)}  ${what}`
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
