import { createReadStream, existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { CsvError, parse } from 'csv-parse'
import { UsageError } from '../usage-error.js'
import type { Row, Source } from './source.js'

/** So many lines of JSON tell which columns there are. */
const LINES_LOOKED_AT = 1_000

/** A file of people, one a line: CSV with a header, or JSON. @throws UsageError */
export async function openFileSource(path: string): Promise<Source> {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}`)
  const read = /\.csv$/i.test(path) ? readCsv : readJsonLines
  const columns = new Set<string>()
  let looked = 0
  for await (const row of read(path)) {
    for (const column of Object.keys(row)) columns.add(column)
    looked += 1
    if (looked === LINES_LOOKED_AT) break
  }
  if (looked === 0) throw new UsageError(`${path} holds nobody`)
  return { tables: [{ name: 'users', columns: [...columns], rows: () => read(path) }], close: async () => {} }
}

async function* readCsv(path: string): AsyncGenerator<Row> {
  const parser = createReadStream(path).pipe(parse({ columns: true, bom: true, skip_empty_lines: true }))
  try {
    yield* parser as AsyncIterable<Row>
  } catch (error) {
    throw error instanceof CsvError ? new UsageError(`${path}: ${error.message}`) : error
  }
}

async function* readJsonLines(path: string): AsyncGenerator<Row> {
  let number = 0
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1
    if (line.trim() !== '') yield parseLine(line, `${path}, line ${number}`)
  }
}

function parseLine(line: string, where: string): Row {
  let row: unknown
  try {
    row = JSON.parse(line)
  } catch {
    throw new UsageError(`${where} is no JSON`)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new UsageError(`${where} is no object`)
  return { ...row }
}
