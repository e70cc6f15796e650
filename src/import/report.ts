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
  unusable: 'marked as unusable there',
  unknown: 'no hash that is known here; if these are the passwords themselves, say --plaintext',
  'looks like a hash': 'that look like a hash, of a kind that is not known here, and are not taken for passwords:',
  'asks for too much': 'a hash that asks for more time or memory than a log-in may take',
}

const ODDITIES: Record<keyof Survey['outsideRules'], string> = {
  reserved: 'with a user name that is reserved here, but logs in all the same:',
  invisible: 'with characters in a name that nobody can see, but logs in with them:',
  other: 'with a name that could not register here, but logs in all the same:',
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
      ...some(found.disabled, 'disabled there, and here'),
      ...some(found.admins, 'admins there, users here: see latchkey users set-role'),
      ...Object.entries(found.outsideRules).flatMap(([oddity, named]) =>
        some(named.count, ODDITIES[oddity as keyof typeof ODDITIES], namesOf(named)),
      ),
      ...describeDuplicates(found.duplicates),
      ...some(
        found.sharedIds.count,
        'with an id that is another person’s too, or with rows of which some let them log in and some do not. All of these are left out, with what is theirs:',
        namesOf(found.sharedIds),
      ),
      ...some(found.padded, 'with blanks or line ends around an id, a name, an address or a hash: taken without them'),
      ...some(
        found.lostNames,
        'with a display name that cannot be kept, as it is too long or has NUL in it: they come without one',
      ),
      ...some(
        found.unknownTimes,
        'with a time of creation that cannot be told, as of 05/06/2022: they count as created by this import',
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
          `say what ${found.unclear.join(', ')} ${found.unclear.length === 1 ? 'means' : 'mean'}: --map ${table}active=${column} or --map ${table}${isOfRows ? 'deleted' : 'disabled'}=${column} where the column says ${says}, or ${ignore}`,
        ]),
    ...(isStoppedByDuplicates ? ['say --duplicates oldest or --duplicates skip'] : []),
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
    ...(status.length === 0 ? [`${INDENT}everybody: no column says that somebody may not`] : []),
  ]
}

/** The columns that exclude rows. */
function describeDeleted({ rowStatus, unclear }: Survey): string[] {
  const lines = rowStatus.flatMap((report) => {
    const { column, disables, unknown } = report
    if (unclear.includes(column)) return [line(disables, `left out until ${column} is explained`)]
    return [line(disables, `deleted there, and left out: ${column}`), ...describeUnknown(unknown)]
  })
  return lines.length === 0 ? [] : ['', 'Rows that are deleted there', ...lines]
}

function describeUnknown(unknown: Record<string, number>): string[] {
  return some(sum(unknown), `of them for a value that is not understood: ${valuesOf(unknown)}`)
}

function describeStatus({ column, kind, disables, unknown }: StatusReport): string[] {
  const isOfDisabled = ['disabled', 'disabledUntil', 'maybeDisabled', 'role', 'region'].includes(kind)
  const says = isOfDisabled ? 'who is disabled' : 'who is active'
  const people = isOfDisabled ? 'disabled by it' : 'not active by it, and disabled here'
  return [line(disables, `${people}: ${column}, taken for the column that says ${says}`), ...describeUnknown(unknown)]
}

function describeUnclear({ column, unknown }: StatusReport): string[] {
  return [line(sum(unknown), `with a value in ${column} that may mean anything: ${valuesOf(unknown)}`)]
}

function describePasswords(found: Survey, hashingMs?: number): string[] {
  const { formats, plaintext, withoutPassword, hashlike, dear, keyedHashes } = found
  const dearest = Object.entries(dear).map(([settings, count]) => `${settings} (${grouped(count)})`)
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
    ...some(sum(dear), `that take longer than this service's own hashes: ${dearest.join(', ')}`, [
      `${INDENT}While there are such, failed log-ins take as long for everybody. Each is replaced at its person's first log-in; hand resets to those who do not come, or disable them.`,
    ]),
    ...some(keyedHashes, 'beside fs_uniquifier, a column of Flask-Security: nobody will get in by these', [
      `${INDENT}It hashes an HMAC of the password, with SECURITY_PASSWORD_SALT, unless it was told SECURITY_PASSWORD_SINGLE_HASH: then all is well.`,
      `${INDENT}Otherwise an admin hands each of these people a reset (POST /v1/users/{id}/password-reset).`,
    ]),
    ...(sum(withoutPassword) > 0
      ? [
          `${INDENT}People without a password that works come all the same: an admin hands each a reset (POST /v1/users/{id}/password-reset).`,
        ]
      : []),
  ]
}

function describeDuplicates({ groups, examples }: Survey['duplicates']): string[] {
  if (groups === 0) return []
  const describe = ({ name, oldId, canLogIn }: Duplicates['people'][number]) =>
    `${JSON.stringify(name)} (id ${oldId}${canLogIn ? '' : ', cannot log in'})`
  return [
    line(groups, 'names or addresses of several people; capitals do not count here:'),
    ...examples.map(({ key, people }) => `${INDENT}${key}: ${people.map(describe).join(', ')}`),
    `${INDENT}--duplicates oldest leaves the name to the first of them who can log in, --duplicates skip leaves out all of them.`,
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
