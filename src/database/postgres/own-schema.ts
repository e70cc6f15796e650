import type pg from 'pg'
import { DatabaseError } from '../database.js'

/** A table name that other applications are unlikely to have. */
const OURS = 'signing_keys'

/**
 * Refuses a search path that finds the tables of another application, now or after a migration.
 * @throws DatabaseError that says what to set
 */
export async function assertOwnSchema(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ current: string | null; ours: string | null }>(
    `select current_schema() as current,
       (select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)) as ours`,
    [OURS],
  )
  const { current = null, ours = null } = rows[0] ?? {}
  if (current === null) {
    throw new DatabaseError(
      'no schema of its search_path exists: create one, or change search_path with alter role ... set search_path.',
    )
  }
  if (ours !== null && ours !== current) {
    throw new DatabaseError(
      `its tables are in the schema ${ours}, but its search_path begins with ${current}: put ${ours} first, with alter role ... set search_path.`,
    )
  }
  await assertOwnParents(client)
}

/** Refuses foreign keys to a `users` table in another schema: they tie rows to the users of another application. */
async function assertOwnParents(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; child: string; parent: string }>(
    `select k.conname as name, k.conrelid::regclass::text as child, k.confrelid::regclass::text as parent
     from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_class p on p.oid = k.confrelid
     where k.contype = 'f' and c.relnamespace = current_schema()::regnamespace and p.relnamespace <> c.relnamespace
       and p.relname = 'users' and k.conname like '%\\_user\\_id\\_users\\_id\\_fk'`,
  )
  const [key] = rows
  if (key === undefined) return
  throw new DatabaseError(
    `${key.child} refers to ${key.parent}, another application's table: run alter table ${key.child} drop constraint "${key.name}", add constraint "${key.name}" foreign key (user_id) references users (id) on delete cascade;`,
  )
}
