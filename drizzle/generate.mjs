// Writes the next migration of both engines: npm run db:generate -- <name>
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const name = process.argv[2]
if (!/^[a-z0-9_]+$/.test(name ?? '')) {
  console.error('Usage: npm run db:generate -- <name>, in lower case, for example add_notes')
  process.exit(64)
}
for (const engine of ['sqlite', 'pg']) {
  const args = ['drizzle-kit', 'generate', '--config', `drizzle/${engine}.config.ts`, '--name', name]
  const { status, stdout, stderr } = spawnSync('npx', args, {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  })
  console.log(stdout)
  // drizzle-kit exits with 0 when it cannot ask whether a column was renamed.
  if (status !== 0 || /Error/.test(stdout + stderr)) {
    console.error(stderr)
    process.exit(1)
  }
}

// drizzle-kit cannot say STRICT, and without it SQLite stores any type in any column.
const folder = new URL('./sqlite/', import.meta.url)
for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.sql'))) {
  const url = new URL(file, folder)
  const sql = readFileSync(url, 'utf8')
  const strict = sql.replace(/^(CREATE TABLE [\s\S]*?\n\));/gm, '$1 STRICT;')
  if (strict !== sql) writeFileSync(url, strict)
}
