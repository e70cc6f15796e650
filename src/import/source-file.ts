import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { parse as parseJson } from 'lossless-json'
import { CommandError } from '../command-error.js'
import { type Encoding, encodingByMark, notInEncoding, UTF_8 } from './encodings.js'
import { rowOfJson } from './json-row.js'
import type { Row, Source } from './source.js'

const NEWLINE = 0x0a
/** Blanks outside of the quotes: `"id" , "name"`. Other blanks are kept, and counted where they matter. */
const PADDED_QUOTE = /"[ \t]+[,;|]|[,;|][ \t]+"/
/** Delimiters of spreadsheets and databases. In countries with a decimal comma, Excel writes semicolons. */
const DELIMITERS = [',', ';', '\t', '|'] as const
const ONE_A_LINE = 'write one object per line'
/** Excel's line before the header, which names the delimiter. */
const SEPARATOR_LINE = /^"?sep=(.)"?\r?\n/i

/**
 * A file with one user per line: JSON, or with a header and values separated by commas, semicolons, tabs or bars.
 * @throws CommandError that names the unreadable line
 */
export async function openFileSource(path: string, encoding?: Encoding): Promise<Source> {
  const isCsv = !/\.(jsonl|ndjson)$/i.test(path)
  const read = () => (isCsv ? readCsv(path, encoding) : readJsonLines(path, encoding))
  const columns = new Set<string>()
  // Reads all JSON objects: a column such as `banned` may be in a single one, even the last.
  for await (const row of read()) {
    for (const column of Object.keys(row)) columns.add(column)
    if (isCsv) break
  }
  if (columns.size === 0) throw new CommandError(`${path} contains no people`)
  return { tables: [{ name: 'users', columns: [...columns], rows: read }], close: async () => {} }
}

async function* readCsv(path: string, encoding?: Encoding): AsyncGenerator<Row> {
  const text = readText(path, encoding)
  const { value: first = '' } = await text.next()
  const [separatorLine = '', separator] = SEPARATOR_LINE.exec(first) ?? []
  const start = first.slice(separatorLine.length)
  const header = start.split(/[\r\n]+/).find((line: string) => line.trim() !== '') ?? ''
  const parser = parse({
    columns: (names: string[]) => readHeader(names, path),
    delimiter: separator ?? delimiterOf(header),
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
    trim: PADDED_QUOTE.test(header),
  })
  const all = async function* () {
    yield start
    yield* text
  }
  // `pipeline` requires a callback, which has nothing to do: an error of the file ends the parser, and the loop throws
  // it.
  pipeline(Readable.from(all()), parser, () => {})
  try {
    yield* parser as AsyncIterable<Row>
  } catch (error) {
    throw error instanceof CsvError ? new CommandError(`${path}: ${error.message}`) : error
  }
}

/** The most frequent delimiter of a header, outside of quotes. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '')
  const count = (delimiter: string) => bare.split(delimiter).length
  return DELIMITERS.reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best))
}

/** The names of the columns; false skips a column without a name. @throws CommandError for duplicate names */
function readHeader(header: string[], path: string): (string | false)[] {
  const names = header.map((name) =>
    name
      .trim()
      .replace(/^(["'`])(.*)\1$/, '$2')
      .trim(),
  )
  const seen = new Set<string>()
  for (const name of names) {
    const key = name.toLowerCase()
    if (key !== '' && seen.has(key))
      throw new CommandError(`${path}: two columns of the header are named ${name}: rename one`)
    seen.add(key)
  }
  return names.map((name) => name !== '' && name)
}

async function* readJsonLines(path: string, encoding?: Encoding): AsyncGenerator<Row> {
  let number = 0
  for await (const line of readLines(path, encoding)) {
    number += 1
    if (line.trim() !== '') yield parseLine(line, `${path}, line ${number}`)
  }
}

function parseLine(line: string, where: string): Row {
  let row: unknown
  try {
    // Numbers stay text: JSON.parse would round 64-bit ids.
    row = parseJson(line, undefined, (number) => number)
  } catch (error) {
    const why = /Duplicate key '.*'/.exec((error as Error).message)?.[0]
    throw new CommandError(why === undefined ? `${where} is not JSON: ${ONE_A_LINE}` : `${where}: ${why}`)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row))
    throw new CommandError(`${where} is not an object: ${ONE_A_LINE}`)
  return rowOfJson(row)
}

/** Lines end at line feeds: readline would also split at U+2028, which JSON allows inside a string. */
async function* readLines(path: string, encoding?: Encoding): AsyncGenerator<string> {
  let rest = ''
  for await (const text of readText(path, encoding)) {
    const [first = '', ...others] = text.split('\n')
    rest += first
    if (others.length === 0) continue
    yield rest
    rest = others.pop() ?? ''
    yield* others
  }
  yield rest
}

/** The text of a file, in chunks. @throws CommandError that names the first line with invalid bytes */
async function* readText(path: string, encoding: Encoding = UTF_8): AsyncGenerator<string> {
  let used = encoding
  let decode: ReturnType<Encoding['decoder']> | undefined
  let line = 1
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      if (decode === undefined) {
        used = encodingByMark(chunk) ?? encoding
        decode = used.decoder()
      }
      let text = ''
      for (const piece of piecesOf(chunk)) {
        const decoded = decode(piece)
        if (decoded.includes('\n')) line += 1
        text += decoded
      }
      yield text
    }
    yield decode?.() ?? ''
  } catch (error) {
    throw error instanceof TypeError ? notInEncoding(`${path}, line ${line},`, used) : unreadable(path, error)
  }
}

/** Each chunk ends at a line feed, so that an error can name its line. */
function* piecesOf(chunk: Buffer): Generator<Buffer> {
  for (let start = 0; start < chunk.length; ) {
    const end = chunk.indexOf(NEWLINE, start)
    yield chunk.subarray(start, end === -1 ? chunk.length : end + 1)
    if (end === -1) return
    start = end + 1
  }
}

/** The error for a file that cannot be read. */
function unreadable(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new CommandError(`there is no file ${path}`)
  if (code === 'EISDIR') return new CommandError(`${path} is a folder, not a file`)
  return code === undefined ? error : new CommandError(`${path} cannot be read: ${message}`)
}
