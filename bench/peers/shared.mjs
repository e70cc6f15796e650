import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'

// Shared by the JavaScript contestants: the same database with the same durability, the same key type, and the start
// message.

export const HASH_COST = 12
export const TOKEN_SECONDS = 3_600
const PEOPLE = 1_000

/** The driver that Latchkey uses on this version of Node. */
export async function loadSqlite() {
  if (Number(process.versions.napi) >= 10) return (await import('better-sqlite3')).default
  return createRequire(new URL('../../sqlite-node20/package.json', import.meta.url))('better-sqlite3')
}

/** The statements of a small hand-written back end on Latchkey's tables. */
export async function openTodos(file) {
  const Sqlite = await loadSqlite()
  const db = new Sqlite(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  db.exec('create table if not exists peer_sessions (id text primary key, user_id integer, generation integer) strict')
  const now = "cast(unixepoch('subsec') * 1000 as integer)"
  return {
    user: db.prepare('select * from users where id = ? and is_active = 1'),
    userByName: db.prepare('select * from users where username_key = ?'),
    list: db.prepare('select * from todos where user_id = ? order by id desc limit ?'),
    get: db.prepare('select * from todos where id = ? and user_id = ?'),
    insert: db.prepare(
      `insert into todos (id, user_id, title, description, done, created_at, updated_at)
       values ((select last + 1 from row_ids where name = 'todos'), ?, ?, ?, 0, ${now}, ${now}) returning *`,
    ),
    beginSession: db.prepare('insert into peer_sessions (id, user_id, generation) values (?, ?, 0)'),
    rotateSession: db.prepare(
      'update peer_sessions set generation = generation + 1 where id = ? and generation = ? returning *',
    ),
    people: db.prepare('select id from users where id % 10 = 1 limit ?'),
  }
}

export function toTodo(row) {
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    done: row.done === 1,
    due_at: row.due_at === null ? null : new Date(row.due_at).toISOString(),
    created_at: new Date(row.created_at).toISOString(),
    updated_at: new Date(row.updated_at).toISOString(),
  }
}

export function toPage(rows, limit) {
  const shown = rows.length > limit ? rows.slice(0, limit) : rows
  const next = rows.length > limit ? Buffer.from(String(shown.at(-1).id)).toString('base64url') : null
  return { items: shown.map(toTodo), next_cursor: next }
}

export function toUser(row) {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    name: row.name,
    role: row.role,
    created_at: new Date(row.created_at).toISOString(),
    updated_at: new Date(row.updated_at).toISOString(),
  }
}

export function makeKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** Begins a session. Returns its refresh token: the session's id and the number of refreshes so far. */
export function beginSession(statements, userId) {
  const id = randomUUID()
  statements.beginSession.run(id, userId)
  return `${id}.0000000`
}

export function rotateSession(statements, token) {
  const [id, generation] = token.split('.')
  const row = statements.rotateSession.get(id, Number(generation))
  return row && { userId: row.user_id, refreshToken: `${id}.${String(row.generation).padStart(7, '0')}` }
}

/** Users with tokens, for the load generator. */
export async function makePeople(statements, sign) {
  const people = []
  for (const { id } of statements.people.all(PEOPLE)) {
    const refreshToken = statements.beginSession && beginSession(statements, id)
    people.push({ id, authorization: `Bearer ${await sign({ sub: String(id), role: 'user' })}`, refreshToken })
  }
  return people
}

/** Sends the port and the users to the parent process, the benchmark. */
export function ready(port, people = []) {
  process.send?.({ port, people })
}
