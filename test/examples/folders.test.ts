// On SQLite alone: no database.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'

const EXAMPLES = join(packageRoot, 'examples')
const read = (...path: string[]) => readFile(join(EXAMPLES, ...path), 'utf8')

t.test('each example needs nothing outside its folder and has a README of five lines', async (t) => {
  const entries = await readdir(EXAMPLES, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  t.ok(names.length >= 12)
  const index = await read('README.md')
  for (const name of names) {
    t.match(index, `(${name}/)`, `${name} is in the list`)
    const [title, blank, ...lines] = (await read(name, 'README.md')).trimEnd().split('\n')
    t.match(title, /^# /)
    t.same([blank, lines.length], ['', 5], `${name}/README.md has five lines`)
    const files = await readdir(join(EXAMPLES, name))
    const manifest = files.includes('package.json') ? JSON.parse(await read(name, 'package.json')) : {}
    for (const version of Object.values(manifest.dependencies ?? {})) t.match(version, /^\d+\.\d+\.\d+$/, name)
    for (const file of files.filter((file) => /\.(js|py|go)$/.test(file))) {
      t.notMatch(await read(name, file), /\.\.\//, `${name}/${file} needs nothing outside its folder`)
    }
  }
  t.equal(await read('browser', 'refreshing-fetch.js'), await read('refreshing-fetch', 'refreshing-fetch.js'))
})
