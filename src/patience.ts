/** For how long work waits for what others use, in milliseconds, before it is refused. */
export interface Patience {
  /** For a hash, from its start: on a busy machine it gets little of a processor. */
  hashMs: number
  /** For the write lock of SQLite. */
  lockMs: number
}

/** A client waits, can try again, and one of many would hold up the others. The dearest hash takes two or three seconds. */
export const OF_REQUESTS: Patience = { hashMs: 10_000, lockMs: 250 }

/** An operator waits, has perhaps typed a password twice, and is alone: a command is late rather than refused. */
export const OF_COMMANDS: Patience = { hashMs: 10 * 60_000, lockMs: 60_000 }
