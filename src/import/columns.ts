import { CommandError } from '../command-error.js'
import { UsageError } from '../usage-error.js'
import { type Row, type Source, type SourceTable, tableNamed } from './source.js'
import { DELETED, rowStatusKindOf, type StatusKind, statusKindOf } from './status-columns.js'

// The usual names of tables and columns, the likeliest first. If none fits, the operator names one with `--map`.

const TABLES = {
  users: ['users', 'user', 'auth_user', 'accounts_user', 'accounts', 'account', 'members'],
  tutorials: ['tutorials', 'tutorial', 'videos', 'video'],
  todos: ['todos', 'todo', 'tasks', 'task'],
}
export type Kind = keyof typeof TABLES

const OWNER = ['user_id', 'owner_id', 'author_id']
const COLUMNS = {
  users: {
    id: ['id', 'pk', 'uuid', 'user_id'],
    username: ['username', 'user_name', 'login'],
    email: ['email', 'email_address', 'mail'],
    name: ['name', 'fullname', 'full_name', 'display_name'],
    password: ['password_hash', 'hashed_password', 'password', 'passwd', 'pw_hash'],
    admin: ['is_superuser', 'is_admin', 'admin', 'is_staff'],
    created: ['created_at', 'date_joined', 'created', 'create_date'],
  },
  tutorials: { id: ['id'], owner: OWNER, name: ['name', 'title'], description: ['description', 'content', 'body'] },
  todos: {
    id: ['id'],
    owner: OWNER,
    title: ['title', 'task', 'name', 'subject', 'content'],
    description: ['description', 'detail', 'memo', 'body'],
    done: ['done', 'completed', 'complete', 'is_done', 'is_completed', 'finished'],
  },
} satisfies Record<Kind, Record<string, string[]>>

const ROW_STATUS = { active: 'active', deleted: 'disabled' } as const
/** Fields to which several columns may map, and how the values of these columns are read. */
const STATUS_FIELDS = {
  users: { active: 'active', disabled: 'disabled' },
  tutorials: ROW_STATUS,
  todos: ROW_STATUS,
} as const

/** A column that determines who may log in, or which rows are deleted. */
export interface StatusColumn {
  column: string
  kind: StatusKind
  /** Whether the operator has named the column; otherwise its name was recognised. */
  isMapped: boolean
  /** Only these values, which the operator has named, have the meaning of the field. */
  values?: string[]
}

/** A table of the source, with the columns of its fields. */
export interface MappedTable {
  name: string
  columns: Readonly<Record<string, string>>
  /** The columns that determine who may log in, or which rows are deleted. */
  status: StatusColumn[]
  /** Columns that are not read. */
  unused: string[]
  rows(): AsyncIterable<Row>
}

/** The operator's choices of tables and columns. */
interface Mapping {
  /** Tables and columns by kind or field: `users`, `users.username`. */
  fields: Map<string, string>
  /** Columns by status field (`users.active`, `todos.deleted`): a name, or `name:value|value`. */
  status: Map<string, string[]>
  /** Columns that do not affect the status, such as `users.column`. */
  ignored: string[]
}

/** `--map users=members`, `--map username=login`, `--map todos.title=task`; separated by commas, or repeated. */
export function parseMapping(values: string[], ignored: string[]): Mapping {
  const map = new Map<string, string>()
  const status: Mapping['status'] = new Map()
  for (const entry of values.flatMap((value) => value.split(',')).filter((entry) => entry !== '')) {
    const [, field, column] = /^([\w.]+)=(.+)$/.exec(entry) ?? []
    if (field === undefined || column === undefined) throw new UsageError(`--map ${entry}: write field=column`)
    const key = field.includes('.') || field in TABLES ? field : `users.${field}`
    const [kind = '', name = ''] = key.split('.')
    if (kind in TABLES && name in STATUS_FIELDS[kind as Kind]) {
      status.set(key, [...(status.get(key) ?? []), column])
      continue
    }
    const isKnown = kind in TABLES && (name === '' || name in COLUMNS[kind as Kind])
    if (!isKnown) throw new UsageError(`--map ${entry}: there is no ${field}; ${fieldsThereAre()}`)
    map.set(key, column)
  }
  const names = ignored.flatMap((value) => value.split(',')).filter((name) => name !== '')
  return { fields: map, status, ignored: names.map((name) => (isOfTable(name) ? name : `users.${name}`)) }
}

function isOfTable(name: string): boolean {
  return Object.keys(TABLES).some((kind) => name.startsWith(`${kind}.`))
}

/** The tables of the source with users and their rows. @throws CommandError that says what to map */
export function mapTables(source: Source, mapping: Mapping): Partial<Record<Kind, MappedTable>> {
  const kinds = Object.keys(TABLES) as Kind[]
  const found = kinds.flatMap((kind) => {
    const table = findTable(source, kind, mapping.fields.get(kind))
    return table === undefined ? [] : [[kind, mapColumns(kind, table, mapping)] as const]
  })
  const tables: Partial<Record<Kind, MappedTable>> = Object.fromEntries(found)
  if (tables.users === undefined) {
    const names = source.tables.map(({ name }) => name).join(', ')
    throw new CommandError(`no table of users was found among ${names || 'none'}: add --map users=<table>`)
  }
  return tables
}

function findTable({ tables }: Source, kind: Kind, asked: string | undefined): SourceTable | undefined {
  const wanted = asked === undefined ? TABLES[kind] : [asked]
  const table = wanted.flatMap((name) => tableNamed(tables, name) ?? [])[0]
  if (asked !== undefined && table === undefined)
    throw new CommandError(`--map ${kind}=${asked}: there is no such table`)
  return table
}

function mapColumns(kind: Kind, table: SourceTable, mapping: Mapping): MappedTable {
  const columns: Record<string, string> = {}
  for (const [field, names] of Object.entries<string[]>(COLUMNS[kind])) {
    const asked = mapping.fields.get(`${kind}.${field}`)
    const column =
      asked === undefined
        ? names.flatMap((name) => findName(table.columns, name) ?? [])[0]
        : columnOf(table, asked, `--map ${field}=${asked}`)
    if (column !== undefined) columns[field] = column
  }
  // Without columns for a user name and an address, users log in with their display name.
  if (kind === 'users' && !columns.username && !columns.email && columns.name) columns.username = columns.name
  const needed = kind === 'users' ? ['password'] : ['owner', kind === 'todos' ? 'title' : 'name']
  const missing = needed.filter((field) => columns[field] === undefined)
  if (kind === 'users' && !columns.username && !columns.email) missing.push('username')
  if (missing.length > 0) {
    const advice = missing.map((field) => `--map ${kind}.${field}=<column>`).join(' ')
    throw new CommandError(`the table ${table.name} has the columns ${table.columns.join(', ')}: add ${advice}`)
  }
  const status = statusColumns(kind, table, mapping, Object.values(columns))
  const used = new Set([...Object.values(columns), ...status.map(({ column }) => column)])
  const unused = table.columns.filter((column) => !used.has(column))
  return { name: table.name, columns, status, unused, rows: () => table.rows([...used]) }
}

/** The status columns: those that the operator has named, and those that are recognised by name. */
function statusColumns(kind: Kind, table: SourceTable, { status, ignored }: Mapping, taken: string[]): StatusColumn[] {
  const mapped = Object.entries(STATUS_FIELDS[kind]).flatMap(([field, statusKind]) =>
    (status.get(`${kind}.${field}`) ?? []).map((asked): StatusColumn => {
      const [, name = asked, values] = (findName(table.columns, asked) ? null : /^(.+):(.+)$/.exec(asked)) ?? []
      const column = columnOf(table, name, `--map ${kind}.${field}=${asked}`)
      return { column, kind: statusKind, isMapped: true, ...(values !== undefined && { values: values.split('|') }) }
    }),
  )
  const silent = ignored.flatMap((name) => (name.startsWith(`${kind}.`) ? [name.slice(kind.length + 1)] : []))
  const settled = new Set([
    ...taken,
    ...mapped.map(({ column }) => column),
    ...silent.map((name) => columnOf(table, name, `--ignore-column ${name}`)),
  ])
  const recognised = table.columns.flatMap((column) =>
    settled.has(column) ? [] : kind === 'users' ? recognise(column, table.columns) : recogniseOfRow(column),
  )
  return [...mapped, ...recognised]
}

function recognise(column: string, others: string[]): StatusColumn[] {
  const kind = statusKindOf(column, others)
  return kind === undefined ? [] : [{ column, kind, isMapped: false }]
}

/** A status column of rows may have a value for deleted rows; its other values are about the row's content. */
function recogniseOfRow(column: string): StatusColumn[] {
  const kind = rowStatusKindOf(column)
  if (kind === 'status') return [{ column, kind: 'disabled', isMapped: false, values: [...DELETED] }]
  return kind === undefined ? [] : [{ column, kind, isMapped: false }]
}

function columnOf({ name, columns }: SourceTable, asked: string, option: string): string {
  const column = findName(columns, asked)
  if (column === undefined)
    throw new CommandError(`${option}: ${name} has no such column; its columns are ${columns.join(', ')}`)
  return column
}

function fieldsThereAre(): string {
  const columns = Object.entries(COLUMNS).map(([kind, fields]) => {
    const names = [...Object.keys(fields), ...Object.keys(STATUS_FIELDS[kind as Kind])]
    return `${kind}.{${names.join(',')}}`
  })
  return `there are ${Object.keys(TABLES).join(', ')} and ${columns.join(', ')}`
}

/** The name that equals `wanted`, ignoring case; failing that, ignoring blanks, dashes and underscores too. */
function findName(names: string[], wanted: string): string | undefined {
  const lower = wanted.toLowerCase()
  return names.find((name) => name.toLowerCase() === lower) ?? names.find((name) => bare(name) === bare(wanted))
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, '')
}
