// Appends STRICT to every CREATE TABLE that drizzle-kit wrote for SQLite: it cannot say so itself, and
// without it SQLite stores any type in any column. Run by `npm run db:generate`; a test reads PRAGMA table_list.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = new URL('./sqlite/', import.meta.url)
for (const file of readdirSync(folder).filter((name) => name.endsWith('.sql'))) {
  const url = new URL(file, folder)
  const sql = readFileSync(url, 'utf8')
  const strict = sql.replace(/^(CREATE TABLE [\s\S]*?\n\));/gm, '$1 STRICT;')
  if (strict !== sql) writeFileSync(url, strict)
}
