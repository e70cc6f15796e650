import type { Static } from '@sinclair/typebox'
import { and, asc, desc, eq, gt, lt, lte } from 'drizzle-orm'
import type { Database, Tables } from '../database/database.js'
import { arrayChunks, type Pages } from './array-stream.js'
import type { AccountExport } from './export-schemas.js'
import { timestamp, timestampOrNull } from './times.js'

/** How many rows are read at once, of up to 40 kB each. */
const ROWS_AT_ONCE = 50
const EVENTS_MAX = 10_000

type Document = Static<typeof AccountExport>
export type Lists = 'events' | 'todos' | 'tutorials'
type Row<Name extends Lists> = Tables[Name]['$inferSelect']
/** Reads a page of rows once there is room for it in memory. */
export type Read = <Result>(count: number, read: () => PromiseLike<Result>) => Promise<Result>

/** The long lists, without events that are recorded meanwhile. */
export async function listsOf(
  database: Database,
  userId: number,
  read: Read,
): Promise<Record<Lists, AsyncGenerator<string>>> {
  const { db, tables } = database
  const { events, todos, tutorials } = tables
  const [newest, oldest] = await rangeOf(database, userId)
  const isShown = and(eq(events.userId, userId), lte(events.id, newest), gt(events.id, oldest))
  const eventsAfter = (id: number, count: number) =>
    read(count, () =>
      db
        .select()
        .from(events)
        .where(and(isShown, lt(events.id, id)))
        .orderBy(desc(events.id))
        .limit(count),
    )
  const todosAfter = (id: number, count: number) =>
    read(count, () =>
      db
        .select()
        .from(todos)
        .where(and(eq(todos.userId, userId), gt(todos.id, id)))
        .orderBy(asc(todos.id))
        .limit(count),
    )
  const tutorialsAfter = (id: number, count: number) =>
    read(count, () =>
      db
        .select()
        .from(tutorials)
        .where(and(eq(tutorials.userId, userId), gt(tutorials.id, id)))
        .orderBy(asc(tutorials.id))
        .limit(count),
    )
  return {
    events: chunksOf(Number.MAX_SAFE_INTEGER, { after: eventsAfter, toItem: (row) => toEvent(row, userId) }),
    todos: chunksOf(0, { after: todosAfter, toItem: toTodo }),
    tutorials: chunksOf(0, { after: tutorialsAfter, toItem: toTutorial }),
  }
}

async function* chunksOf<Row extends { id: number }>(start: number, pages: Pick<Pages<Row>, 'after' | 'toItem'>) {
  const first = await pages.after(start, ROWS_AT_ONCE)
  yield* arrayChunks({ ...pages, first, size: ROWS_AT_ONCE })
}

/** The ids of a user's newest event, and of the newest that is too old to be included; 0 if all are included. */
async function rangeOf(
  { db, tables: { events } }: Database,
  userId: number,
): Promise<[newest: number, oldest: number]> {
  const ids = db.select({ id: events.id }).from(events).where(eq(events.userId, userId)).orderBy(desc(events.id))
  const at = async (offset: number) => (await ids.limit(1).offset(offset))[0]?.id ?? 0
  return [await at(0), await at(EVENTS_MAX)]
}

/** Hides from where an admin or another client acted. */
function toEvent(row: Row<'events'>, userId: number): Document['events'][number] {
  const isOthers = row.actorClientId !== null || (row.actorId !== null && row.actorId !== userId)
  return {
    type: row.type,
    by: isOthers ? 'other' : row.actorId === userId ? 'you' : 'unknown',
    session_id: isOthers ? null : row.sessionId,
    ip: isOthers ? null : row.ip,
    reason: row.reason,
    created_at: timestamp(row.createdAt),
  }
}

function toTodo({ id, title, description, done, dueAt, ...row }: Row<'todos'>): Document['todos'][number] {
  return { id, title, description, done, due_at: timestampOrNull(dueAt), ...timesOf(row) }
}

function toTutorial({ id, name, description, ...row }: Row<'tutorials'>): Document['tutorials'][number] {
  return { id, name, description, ...timesOf(row) }
}

function timesOf({ createdAt, updatedAt }: { createdAt: number; updatedAt: number }) {
  return { created_at: timestamp(createdAt), updated_at: timestamp(updatedAt) }
}
