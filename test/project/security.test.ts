// On SQLite alone: no database.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'

const read = (path: string) => readFile(join(packageRoot, path), 'utf8')

t.test('every test that SECURITY.md names is there', async (t) => {
  const claims = [...(await read('SECURITY.md')).matchAll(/^\| (?:[^|]+ \| )?([^|]+) \| `(test\/[^`]+)` \|$/gm)]
  t.ok(claims.length > 250)
  for (const [, title = '', path = ''] of claims) t.ok((await read(path)).includes(quoted(title)), `${path}: ${title}`)
})

t.test('every test that docs/machines.md names is there', async (t) => {
  const points = [...(await read('docs/machines.md')).matchAll(/^\| RFC [^|]+ \| `(test\/[^`]+)` \| (.+) \|$/gm)]
  t.ok(points.length > 15)
  for (const [, path = '', title = ''] of points) t.ok((await read(path)).includes(quoted(title)), `${path}: ${title}`)
})

t.test('every test that docs/openid.md names is there', async (t) => {
  const page = await read('docs/openid.md')
  const points = [...page.matchAll(/^\| [^|]+ \| `oidcc-[^|]+ \| (?:not here: [^|]+ \()?`(test\/[^`]+)`: ([^|)]+)/gm)]
  t.ok(points.length > 30)
  for (const [, path = '', title = ''] of points) {
    t.ok((await read(path)).includes(quoted(title.trim())), `${path}: ${title}`)
  }
})

t.test('every test that docs/faults.md names is there, and docs/faults.md names every tested fault', async (t) => {
  const page = await read('docs/faults.md')
  const rows = [...page.matchAll(/^\| [^|]+ \| [^|]+ \| `(test\/[^`]+)` \| ([^|]+) \|[^|]*\|$/gm)]
  t.ok(rows.length > 20)
  for (const [, path = '', title = ''] of rows) t.ok((await read(path)).includes(quoted(title)), `${path}: ${title}`)
  for (const file of await readdir(join(packageRoot, 'test', 'faults'))) {
    if (!file.endsWith('.fault.ts')) continue
    for (const [, title = ''] of (await read(`test/faults/${file}`)).matchAll(/^(?:t\.test\(| {2})'(.+)',/gm)) {
      t.ok(page.includes(title), `${file}: ${title}`)
    }
  }
})

/** The title as written in the code, with the quotes of the formatter. */
function quoted(title: string): string {
  return title.includes("'") ? `"${title}"` : `'${title}'`
}
