import type pg from 'pg'
import type { Client } from './client.js'
import { Lane } from './lane.js'
import { Lanes } from './lanes.js'
import type { Statement } from './prepared-query.js'
import { applySettings } from './session.js'
import { deferFlushes, SharedCommits } from './shared-commits.js'

/** Smaller pools have no lanes: transactions need all connections. */
const LEAST_CONNECTIONS = 4
/** The second lane is used while a slow statement blocks the first. */
const READ_LANES = 2

/**
 * Pipelined connections for short statements: up to two for reads, which never wait for a commit, and one for writes.
 */
export class Pipeline {
  /** The number of connections of all lanes. */
  readonly size: number
  readonly #reads: Lanes
  readonly #writes: Lanes
  readonly #commits: SharedCommits

  /** `first` is a connected client. It becomes a read lane, or is closed if there are no read lanes. */
  constructor(connection: pg.ClientConfig, connections: number, first: Client) {
    const isUsed = connections >= LEAST_CONNECTIONS
    const reads = isUsed ? Math.min(READ_LANES, Math.floor(connections / 4)) : 0
    const writes = isUsed ? 1 : 0
    this.size = reads + writes
    this.#reads = new Lanes(reads, () => Lane.open(connection, applySettings))
    const lane = new Lane(first)
    if (reads > 0) this.#reads.add(lane)
    else lane.retire()
    this.#writes = new Lanes(writes, () =>
      Lane.open(connection, async (lane) => {
        await applySettings(lane)
        await deferFlushes(lane)
      }),
    )
    this.#commits = new SharedCommits(this.#writes)
  }

  /** Undefined, or a promise of undefined, if every lane is busy: the statement was not executed. */
  query(statement: Statement, values: unknown[]): Promise<pg.QueryResult | undefined> | undefined {
    const isReading = statement.text.startsWith('select ')
    return isReading ? this.#reads.take()?.query(statement, values) : this.#commits.query(statement, values)
  }

  async close(): Promise<void> {
    await Promise.all([this.#reads.close(), this.#writes.close()])
  }
}
