// Prints the section of a version in CHANGELOG.md, as the text of its release: node scripts/release-notes.mjs 0.1.0
import { readFileSync } from 'node:fs'

const [version = ''] = process.argv.slice(2)
const [, ...sections] = readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8').split(/^## /m)
const section = sections.find((text) => text.split(/\s/, 1)[0] === version)
if (section === undefined) {
  console.error(`CHANGELOG.md has no section ${version}`)
  process.exit(1)
}
console.log(section.slice(section.indexOf('\n')).trim())
