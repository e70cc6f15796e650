// On SQLite alone: no database.

import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'

const FILE = /`((?:src|plugins|routes|test|scripts|drizzle|docs|bench)\/[\w./-]+\.(?:ts|mjs|md|sql))`/g
/** Files that the recipe for a new resource tells its reader to create. */
const TO_BE_MADE = ['routes/v1/notes.ts', 'test/rows/notes.test.ts']

t.test('the files that the documents name exist', async (t) => {
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

// Every page, including pages that the README does not list.
t.test('links between the documents lead to an existing file and heading', async (t) => {
  const folders = ['docs', 'examples', 'bench']
  const inFolders = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(packageRoot, folder), { recursive: true })).map((name) => join(folder, name)),
    ),
  )
  const own = (await readdir(packageRoot)).filter((name) => name.endsWith('.md'))
  const pages = [...own, ...inFolders.flat()].filter((page) => /\.md$/.test(page) && !page.includes('node_modules'))
  const texts = new Map(
    await Promise.all(pages.map(async (page) => [page, await readFile(join(packageRoot, page), 'utf8')] as const)),
  )
  const links = [...texts].flatMap(([page, text]) =>
    [...withoutCode(text).matchAll(/\]\((?![a-z]+:)([^)\s]*)\)/g)].map(([, link = '']) => ({ page, link })),
  )
  t.ok(links.length > 200, `${links.length} links`)
  const broken = links.filter(({ page, link }) => {
    const [path = '', heading] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    if (!existsSync(join(packageRoot, target))) return true
    return heading !== undefined && !anchorsOf(texts.get(target) ?? '').includes(decodeURIComponent(heading))
  })
  t.same(broken, [])
})

function withoutCode(text: string): string {
  return text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')
}

/** The anchors that GitHub generates for the headings of a page. */
function anchorsOf(text: string): string[] {
  const headings = [...text.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}
