import { UsageError } from '../usage-error.js'
import { type Row, type Source, type SourceTable, tableNamed } from './source.js'

// What others call their tables and columns, the likeliest first. `--map` says it where none of these fits.

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
    active: ['is_active', 'active', 'enabled'],
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

/** A table of the source with the columns that were found for its fields. */
export interface MappedTable {
  name: string
  columns: Readonly<Record<string, string>>
  rows(): AsyncIterable<Row>
}

/** `--map users=members`, `--map username=login`, `--map todos.title=task`; several with commas, or several times. */
export function parseMap(values: string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (const entry of values.flatMap((value) => value.split(',')).filter((entry) => entry !== '')) {
    const [, field, column] = /^([\w.]+)=(.+)$/.exec(entry) ?? []
    if (field === undefined || column === undefined) throw new UsageError(`--map ${entry}: write field=column`)
    const key = field.includes('.') || field in TABLES ? field : `users.${field}`
    const [kind = '', name = ''] = key.split('.')
    const isKnown = kind in TABLES && (name === '' || name in COLUMNS[kind as Kind])
    if (!isKnown) throw new UsageError(`--map ${entry}: there is no ${field}; ${fieldsThereAre()}`)
    map.set(key, column)
  }
  return map
}

/** The tables of the source that people and their rows are in. @throws UsageError that says what to map */
export function mapTables(source: Source, map: Map<string, string>): Partial<Record<Kind, MappedTable>> {
  const kinds = Object.keys(TABLES) as Kind[]
  const found = kinds.flatMap((kind) => {
    const table = findTable(source, kind, map.get(kind))
    return table === undefined ? [] : [[kind, mapColumns(kind, table, map)] as const]
  })
  const tables: Partial<Record<Kind, MappedTable>> = Object.fromEntries(found)
  if (tables.users === undefined) {
    const names = source.tables.map(({ name }) => name).join(', ')
    throw new UsageError(`no table of users was found among ${names || 'none'}: say --map users=<table>`)
  }
  return tables
}

function findTable({ tables }: Source, kind: Kind, asked: string | undefined): SourceTable | undefined {
  const wanted = asked === undefined ? TABLES[kind] : [asked]
  const table = wanted.flatMap((name) => tableNamed(tables, name) ?? [])[0]
  if (asked !== undefined && table === undefined) throw new UsageError(`--map ${kind}=${asked}: there is no such table`)
  return table
}

function mapColumns(kind: Kind, table: SourceTable, map: Map<string, string>): MappedTable {
  const columns: Record<string, string> = {}
  for (const [field, names] of Object.entries<string[]>(COLUMNS[kind])) {
    const asked = map.get(`${kind}.${field}`)
    const column = (asked === undefined ? names : [asked]).flatMap(
      (name) => table.columns.find((column) => isSame(column, name)) ?? [],
    )[0]
    if (asked !== undefined && column === undefined) {
      throw new UsageError(`--map ${field}=${asked}: ${table.name} has no such column, but ${table.columns.join(', ')}`)
    }
    if (column !== undefined) columns[field] = column
  }
  // Somebody with neither a user name nor an address logs in with the name there is.
  if (kind === 'users' && !columns.username && !columns.email && columns.name) columns.username = columns.name
  const needed = kind === 'users' ? ['password'] : ['owner', kind === 'todos' ? 'title' : 'name']
  const missing = needed.filter((field) => columns[field] === undefined)
  if (kind === 'users' && !columns.username && !columns.email) missing.push('username')
  if (missing.length > 0) {
    const advice = missing.map((field) => `--map ${kind}.${field}=<column>`).join(' ')
    throw new UsageError(`the table ${table.name} has ${table.columns.join(', ')}: say ${advice}`)
  }
  return { name: table.name, columns, rows: () => table.rows(Object.values(columns)) }
}

function fieldsThereAre(): string {
  const columns = Object.entries(COLUMNS).map(([kind, fields]) => `${kind}.{${Object.keys(fields).join(',')}}`)
  return `there are ${Object.keys(TABLES).join(', ')} and ${columns.join(', ')}`
}

function isSame(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}
