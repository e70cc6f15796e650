import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../src/package.js'

const read = (path: string) => readFile(join(packageRoot, path), 'utf8')

t.test('every test that SECURITY.md names is there', async (t) => {
  const claims = [...(await read('SECURITY.md')).matchAll(/^\| [^|]+ \| `(test\/[^`]+)` \| (.+) \|$/gm)]
  t.ok(claims.length > 80)
  for (const [, path = '', title = ''] of claims) {
    const found = (await read(path)).includes(quoted(title))
    t.ok(found, `${path}: ${title}`)
  }
})

/** As the title stands in the code: with the quotes that the formatter gives it. */
function quoted(title: string): string {
  return title.includes("'") ? `"${title}"` : `'${title}'`
}
