// On SQLite alone: no database.

import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'

const FILE = /`((?:src|plugins|routes|test|scripts|drizzle|docs|bench)\/[\w./-]+\.(?:ts|mjs|md|sql))`/g
/** What the recipe for a new resource has its reader make. */
const TO_BE_MADE = ['routes/v1/notes.ts', 'test/rows/notes.test.ts']

t.test('files that the documents name are there', async (t) => {
  const found = (await readdir(join(packageRoot, 'docs'), { recursive: true })).map((name) => join('docs', name))
  const pages = ['README.md', 'CONTRIBUTING.md', 'STYLE.md', 'SECURITY.md', ...found].filter((page) =>
    /\.md$/.test(page),
  )
  const named = new Map<string, string>()
  for (const page of pages) {
    const text = await readFile(join(packageRoot, page), 'utf8')
    for (const [, file] of text.matchAll(FILE)) named.set(`${file}`, page)
  }
  t.ok(named.size > 60, `${named.size} files are named`)
  const missing = [...named].filter(([file]) => !existsSync(join(packageRoot, file)) && !TO_BE_MADE.includes(file))
  t.same(missing, [])
})
