import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { getHeapStatistics } from 'node:v8'

/** Smaller responses are not tracked: they fit into the send buffer of the kernel, even if the client does not read. */
export const WATCHED_BYTES = 16 * 1_024
/** The limit of unread bytes for an account, or for a network without an account. */
const OWNER_BYTES = 8 * 2 ** 20
/** The limit of unread bytes for all clients of this process; lower where its heap is small. */
const ALL_BYTES = Math.min(64 * 2 ** 20, getHeapStatistics().heap_size_limit / 4)
/** A stream also buffers rows that were read from the database. */
const STREAM_BYTES = 512 * 1_024
/** A client that reads nothing of a pending response for this long is disconnected, even below the limits. */
const SILENCE_MS = 10_000
/**
 * A shorter silence may be a network round trip. Such a client is disconnected only over the common limit, not over the
 * limit of its owner.
 */
const GRACE_MS = 1_000

interface Answer {
  response: ServerResponse
  owner: string
  isStream: boolean
  /** The bytes that its connection had accepted at the last check, and since when. */
  taken: number
  since: number
}

/**
 * Tracks responses that clients have not read yet. Over a limit, the connections that have been silent longest are
 * closed.
 */
export class UnreadAnswers {
  readonly #answers = new Map<ServerResponse, Answer>()
  /** The unread bytes of each owner. */
  readonly #owed = new Map<string, number>()
  #total = 0

  /**
   * Tracks a response of this size, just before it is written, until the kernel has accepted it or the connection
   * closes.
   */
  watch(response: ServerResponse, owner: string, bytes: number | 'stream'): void {
    // A closed connection emits neither `finish` nor `close`: the entry would never be removed.
    if (response.req.socket?.destroyed) return
    const isStream = bytes === 'stream'
    const size = isStream ? STREAM_BYTES : bytes
    const answer = { response, owner, isStream, taken: takenBy(response), since: performance.now() }
    this.#answers.set(response, answer)
    this.#owe(owner, size)
    const settle = () => {
      if (this.#answers.delete(response)) this.#owe(owner, -size)
    }
    response.once('finish', settle).once('close', settle)
    if (this.#total > ALL_BYTES || (this.#owed.get(owner) ?? 0) > OWNER_BYTES) setImmediate(() => this.enforce())
  }

  /** Closes connections until the limits hold. Called by a timer, and whenever a limit may be exceeded. */
  enforce(): void {
    const now = performance.now()
    const unread = new Map<string, number>()
    let total = 0
    const bySilence = [...this.#answers.values()].filter((answer) => this.#observe(answer, now) > 0)
    bySilence.sort((one, other) => one.since - other.since)
    for (const answer of bySilence) {
      const bytes = waitingOf(answer)
      total += bytes
      unread.set(answer.owner, (unread.get(answer.owner) ?? 0) + bytes)
    }
    for (const answer of bySilence) {
      const silentMs = now - answer.since
      const ofOwner = unread.get(answer.owner) ?? 0
      const isTooMuch = total > ALL_BYTES || (ofOwner > OWNER_BYTES && silentMs > GRACE_MS)
      if (!isTooMuch && silentMs < SILENCE_MS) continue
      total -= waitingOf(answer)
      unread.set(answer.owner, ofOwner - waitingOf(answer))
      answer.response.destroy()
    }
  }

  /** Updates the progress of a response. Returns the bytes that are still buffered. */
  #observe(answer: Answer, now: number): number {
    const taken = takenBy(answer.response)
    if (taken !== answer.taken) {
      answer.taken = taken
      answer.since = now
    }
    return answer.response.writableLength
  }

  #owe(owner: string, bytes: number): void {
    this.#total += bytes
    const owed = (this.#owed.get(owner) ?? 0) + bytes
    if (owed > 0) this.#owed.set(owner, owed)
    else this.#owed.delete(owner)
  }
}

function waitingOf({ response, isStream }: Answer): number {
  return response.writableLength + (isStream ? STREAM_BYTES : 0)
}

/** The bytes of the connection that the kernel has accepted. */
function takenBy({ req }: ServerResponse): number {
  // An injected request has no connection.
  const socket = req.socket as Socket | undefined
  return socket === undefined ? 0 : socket.bytesWritten - socket.writableLength
}
