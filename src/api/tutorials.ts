import { and, asc, desc, eq, gt, lt, sql } from 'drizzle-orm'
import type { Database, Tables } from '../database/database.js'
import { pageCount } from './paging.js'

/** A tutorial, as both APIs return it. */
export function toTutorial({ id, userId, name, description }: Tables['tutorials']['$inferSelect']) {
  return { id, user_id: userId, name, description }
}

/** The statements of /v1/tutorials. */
export function prepareTutorials(database: Database) {
  const { db, tables } = database
  const { tutorials } = tables
  const isMine = eq(tutorials.userId, sql.placeholder('userId'))
  return {
    list: db
      .select()
      .from(tutorials)
      .where(and(isMine, lt(tutorials.id, sql.placeholder('before'))))
      .orderBy(desc(tutorials.id))
      .limit(pageCount)
      .prepare('list_tutorials'),
    get: db
      .select()
      .from(tutorials)
      .where(and(eq(tutorials.id, sql.placeholder('id')), isMine))
      .prepare('get_tutorial'),
    insert: prepareInsert(database),
  }
}

/** The statements of the Flask tutorial's paths: whole lists, the oldest first, without versions. */
export function prepareFlaskTutorials(database: Database) {
  const { db, tables, now } = database
  const { tutorials } = tables
  const isMine = eq(tutorials.userId, sql.placeholder('userId'))
  const isMineOfId = and(eq(tutorials.id, sql.placeholder('id')), isMine)
  const [name, description] = [sql.placeholder('name'), sql.placeholder('description')]
  return {
    list: db
      .select()
      .from(tutorials)
      .where(and(isMine, gt(tutorials.id, sql.placeholder('after'))))
      .orderBy(asc(tutorials.id))
      .limit(pageCount)
      .prepare('list_all_tutorials'),
    insert: prepareInsert(database),
    update: db
      .update(tutorials)
      .set({
        name: sql`coalesce(cast(${name} as text), ${tutorials.name})`,
        description: sql`coalesce(cast(${description} as text), ${tutorials.description})`,
        version: sql`${tutorials.version} + 1`,
        updatedAt: now,
      })
      .where(isMineOfId)
      .returning()
      .prepare('update_flask_tutorial'),
    delete: db.delete(tutorials).where(isMineOfId).returning({ id: tutorials.id }).prepare('delete_flask_tutorial'),
  }
}

function prepareInsert({ db, tables: { tutorials }, now }: Database) {
  const [name, description] = [sql.placeholder('name'), sql.placeholder('description')]
  return db
    .insert(tutorials)
    .values({ userId: sql.placeholder('userId'), name, description, createdAt: now, updatedAt: now })
    .returning()
    .prepare('insert_tutorial')
}
