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
  const args = [
    'test/node_modules/drizzle-kit/bin.cjs',
    'generate',
    '--config',
    `drizzle/${engine}.config.ts`,
    '--name',
    name,
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
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

// drizzle-kit cannot say STRICT, and without it SQLite stores any type in any column. Nor can it say WITHOUT ROWID, which
// stores a table in the order of its key, nor what gives out ids there. A table that it makes anew, under a name that
// begins with __new_, has its trigger no more: it must be made again by hand, after the table has its old name.
const folder = new URL('./sqlite/', import.meta.url)
for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.sql'))) {
  const url = new URL(file, folder)
  const sql = readFileSync(url, 'utf8')
  const whole = sql.replace(/^CREATE TABLE `(\w+)` \([^;]*?\n\);/gm, (create, table) => {
    const strict = `${create.slice(0, -1)} STRICT`
    if (!create.includes('PRIMARY KEY(`user_id`, `id`)')) return `${strict};`
    return `${strict}, WITHOUT ROWID;${table.startsWith('__new_') ? '' : givingIds(table)}`
  })
  if (whole !== sql) writeFileSync(url, whole)
}

/** No id twice: row_ids keeps the last one, and whether a row has it or an import has only reserved it. */
function givingIds(table) {
  return `
--> statement-breakpoint
INSERT INTO \`row_ids\` VALUES ('${table}', 0, 0);
--> statement-breakpoint
CREATE TRIGGER \`${table}_ids\` AFTER INSERT ON \`${table}\` BEGIN
	UPDATE \`row_ids\` SET \`last\` = new.\`id\`, \`is_taken\` = CASE WHEN \`last\` = new.\`id\` AND \`is_taken\` THEN raise(ABORT, '${table}.id is taken') ELSE 1 END
	WHERE \`name\` = '${table}' AND \`last\` <= new.\`id\`;
END;`
}
