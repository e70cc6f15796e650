/** How long work waits for a shared resource before it is refused, in milliseconds. */
export interface Timeouts {
  /** For a hash, from its start: on a busy machine, it gets little processor time. */
  hashMs: number
  /** For the write lock of SQLite. */
  lockMs: number
}

/** A client can retry, and a waiting request holds up others. The most expensive hash takes two or three seconds. */
export const REQUEST_TIMEOUTS: Timeouts = { hashMs: 10_000, lockMs: 250 }

/** An operator has perhaps typed a password twice, and holds nobody up: better late than refused. */
export const COMMAND_TIMEOUTS: Timeouts = { hashMs: 10 * 60_000, lockMs: 60_000 }
