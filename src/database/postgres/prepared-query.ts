import pg from 'pg'

/** One parser per column of a row, in column order. */
type Parsers = readonly ((text: string) => unknown)[]
type Callback = (error: Error | null, result: pg.QueryResult) => void

/** A statement. A statement with a name is prepared on the server. */
export interface Statement {
  text: string
  name?: string | undefined
  /** Returns rows as arrays. Column descriptions are cached for this mode only. */
  rowMode?: 'array'
}

/**
 * Parses bigint as a number: the driver returns text because a bigint may exceed 2^53, but these columns hold
 * milliseconds and row counts.
 */
export const NUMBERS: pg.CustomTypesConfig = {
  getTypeParser: ((type: number, format?: 'text') =>
    type === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(type, format)) as typeof pg.types.getTypeParser,
}

/** Members that exist in the driver but are missing from its types. */
interface Wire {
  bind(message: { statement: string; values: unknown[] }): void
  execute(message: object): void
  sync(): void
}
interface DriverQuery extends pg.Submittable {
  name: string | undefined
  values: unknown[]
  _result: { _parsers: Parsers | undefined }
  _results: unknown
  _accumulateRows: boolean
  prepare(connection: Wire): void
  handleRowDescription(message: object): void
}
const { Query, Result, utils } = pg as unknown as {
  Query: new (text: string, values: unknown[] | undefined, callback: Callback) => DriverQuery
  Result: new (rowMode: 'array' | undefined, types: pg.CustomTypesConfig) => DriverQuery['_result']
  utils: { prepareValue(value: unknown): unknown }
}

/** The column parsers of a connection's prepared statements, by statement name. */
export type Described = Map<string, Parsers>

/**
 * A prepared statement whose columns the server describes once per connection, not with every answer: the description
 * of one row is longer than its values. If the columns have changed, the server refuses the statement.
 */
export class PreparedQuery extends Query {
  /** Undefined for a statement whose columns are not remembered. */
  readonly #described: Described | undefined

  constructor(
    { text, name, rowMode }: Statement,
    values: unknown[] | undefined,
    described: Described,
    callback: Callback,
  ) {
    // Passes the text, not the statement: the driver would copy the object, property descriptor by property descriptor.
    super(text, values?.map(utils.prepareValue), callback)
    this.name = name
    this._result = new Result(rowMode, NUMBERS)
    this._results = this._result
    if (name !== undefined && rowMode === 'array') this.#described = described
  }

  override prepare(connection: Wire): void {
    const { name = '', values } = this
    const parsers = this.#described?.get(name)
    if (parsers === undefined) super.prepare(connection)
    else {
      this._result._parsers = parsers
      this._accumulateRows = true
      connection.bind({ statement: name, values })
      connection.execute({})
      connection.sync()
    }
  }

  override handleRowDescription(message: object): void {
    super.handleRowDescription(message)
    this.#described?.set(this.name ?? '', this._result._parsers ?? [])
  }
}
