import type { Duplex } from 'node:stream'
import pg from 'pg'

/** Longer than a statement may take: those that were sent before the end are still answered. */
const END_TIMEOUT_MS = 4_000

/** A connection whose socket is closed in every case: an open one would keep a command from ending. */
export class Client extends pg.Client {
  /** Closes the socket if the log-in fails. The driver would leave it open. */
  override connect(): Promise<pg.Client>
  override connect(callback: (error: Error) => void): void
  override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
    if (callback === undefined) {
      return super.connect().catch((error) => {
        this.stream.destroy()
        throw error
      })
    }
    super.connect((error: Error) => {
      if (error) this.stream.destroy()
      callback(error)
    })
    return undefined
  }

  /** Closes the socket also where the server hangs. */
  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | void {
    const timer = setTimeout(() => this.stream.destroy(), END_TIMEOUT_MS).unref()
    this.once('end', () => clearTimeout(timer))
    return callback === undefined ? super.end() : super.end(callback)
  }

  /** What the driver's types leave out. With TLS it is not the same one from the first byte on. */
  get stream(): Duplex {
    return (this as unknown as { connection: { stream: Duplex } }).connection.stream
  }
}
