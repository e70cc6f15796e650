import pg from 'pg'

/** How the columns of a statement's rows are read, in their order. */
type Parsers = readonly ((text: string) => unknown)[]
type Callback = (error: Error | null, result: pg.QueryResult) => void

/** A statement, prepared on the server where it has a name. */
export interface Statement {
  text: string
  name?: string | undefined
  /** Rows as arrays; their columns alone are remembered. */
  rowMode?: 'array'
}

/** The driver gives out a bigint as text, because it may be too large for a number; ours count milliseconds and rows. */
export const NUMBERS: pg.CustomTypesConfig = {
  getTypeParser: ((type: number, format?: 'text') =>
    type === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(type, format)) as typeof pg.types.getTypeParser,
}

/** What the driver's types leave out of its classes. */
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

/** The statements of a connection whose rows the server has described, by name. */
export type Described = Map<string, Parsers>

/**
 * A statement whose rows the server describes once a connection and not with every answer: for one row, its columns are more bytes
 * than its values. The server refuses a prepared statement whose columns have changed since.
 */
export class PreparedQuery extends Query {
  readonly #described: Described
  readonly #remembers: boolean

  constructor(
    { text, name, rowMode }: Statement,
    values: unknown[] | undefined,
    described: Described,
    callback: Callback,
  ) {
    // Not the statement itself: the driver would copy it, descriptor by descriptor.
    super(text, values?.map(utils.prepareValue), callback)
    this.name = name
    this._result = new Result(rowMode, NUMBERS)
    this._results = this._result
    this.#described = described
    this.#remembers = name !== undefined && rowMode === 'array'
  }

  override prepare(connection: Wire): void {
    const { name = '', values } = this
    const parsers = this.#described.get(name)
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
    if (this.#remembers) this.#described.set(this.name ?? '', this._result._parsers ?? [])
  }
}
