import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../config/config.js'
import { toHtml, toText } from './layout.js'
import { definitionOf, isPurpose, LOCALES, type Locale, type Purpose } from './purposes.js'
import { en } from './texts/en.js'
import { ko } from './texts/ko.js'
import { fill, fillHtml, type Values, WORDS, wordsIn } from './words.js'

interface Content {
  subject: string
  text: string
  html: string
}

const OURS: Record<Locale, Record<Purpose | 'test', string>> = { en, ko }
const FILE = /^([a-z_]+)\.(txt|html)$/
const SUBJECT = /^Subject:[ \t]*(\S.*)\n[ \t]*\n/

/** The texts of mails: the built-in ones, unless the folder MAIL_TEMPLATES overrides them. */
export class Templates {
  /** By file name. */
  readonly #own: ReadonlyMap<string, string>

  constructor(own: ReadonlyMap<string, string> = new Map()) {
    this.#own = own
  }

  compose(purpose: Purpose | 'test', locale: Locale, values: Values): Content {
    const source = this.#own.get(`${locale}/${purpose}.txt`) ?? OURS[locale][purpose]
    const [head = '', line = ''] = SUBJECT.exec(source) ?? []
    const body = source.slice(head.length)
    const subject = fill(line, values).trim()
    const html = this.#own.get(`${locale}/${purpose}.html`)
    return {
      subject,
      text: toText(body, values),
      html: html === undefined ? toHtml({ subject, body, locale }, values) : fillHtml(html, values),
    }
  }
}

/**
 * Reads `<locale>/<purpose>.txt` and `.html` in a folder. An empty name means no folder.
 * @throws ConfigError that names every unusable file
 */
export function loadTemplates(folder: string): Templates {
  if (folder === '') return new Templates()
  const own = new Map<string, string>()
  const problems: string[] = []
  for (const locale of LOCALES) {
    for (const name of namesIn(join(folder, locale))) {
      try {
        own.set(`${locale}/${name}`, readTemplate(join(folder, locale), name))
      } catch (error) {
        problems.push(`MAIL_TEMPLATES contains ${locale}/${name}, which ${(error as Error).message}`)
      }
    }
  }
  if (own.size === 0 && problems.length === 0) {
    problems.push(`MAIL_TEMPLATES must be a folder with files such as en/password_reset.txt, but "${folder}" has none`)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return new Templates(own)
}

/** A locale may have no folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new ConfigError([`MAIL_TEMPLATES cannot be read: ${(error as Error).message}`])
  }
}

function readTemplate(folder: string, name: string): string {
  const [, purpose = '', kind] = FILE.exec(name) ?? []
  if (!isPurpose(purpose)) throw new Error('is not the name of a mail text: see docs/mail.md for the names')
  const text = readFileSync(join(folder, name), 'utf8')
    .replace(/^\ufeff/, '')
    .replaceAll('\r\n', '\n')
  if (kind === 'txt' && !SUBJECT.test(text)) throw new Error('must begin with "Subject: ..." and an empty line')
  const named = wordsIn(text)
  const unknown = named.find((word) => !WORDS.some((known) => known === word))
  if (unknown !== undefined) {
    throw new Error(`contains the unknown {${unknown}}; use ${WORDS.map((word) => `{${word}}`).join(', ')}`)
  }
  const isOfUse = definitionOf(purpose).token === undefined || named.includes('link') || named.includes('code')
  if (!isOfUse) throw new Error('must contain {link} or {code}: without them, the mail is of no use')
  return text
}
