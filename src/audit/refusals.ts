import type { Event, Events } from './events.js'
import type { Client } from './requester.js'

const WINDOW_MS = 3_600_000
/**
 * The most refusals of a type that a process records per window. Further refusals appear only in the metrics and the
 * log.
 */
const MOST_OF_A_TYPE = 500

interface Options {
  events: Events
  /** Receives a notice about refusals that are missing from the audit log. */
  onLost(notice: string, error?: unknown): void
  /** A monotonic clock in milliseconds. */
  now?: () => number
}

/**
 * Records refusals in the audit log: one event per type, client and hour in this process. Otherwise an attacker with a
 * thousand refused requests a second would fill the table and hide every other event.
 */
export class Refusals {
  readonly #events: Events
  readonly #onLost: Options['onLost']
  readonly #now: () => number
  readonly #recorded = new Map<Event['type'], Set<string>>()
  #windowEndsAt = Number.NEGATIVE_INFINITY

  constructor({ events, onLost, now = () => performance.now() }: Options) {
    this.#events = events
    this.#onLost = onLost
    this.#now = now
  }

  /** Records a refusal, once per window. `whom` identifies the client: a budget, or an account and a route. */
  note(whom: string, event: Event, client: Client): void {
    if (!this.#isFirst(whom, event.type)) return
    this.#events
      .record(event, client)
      .catch((error) => this.#onLost('a refused attempt could not be written to the audit log', error))
  }

  #isFirst(whom: string, type: Event['type']): boolean {
    const now = this.#now()
    if (now >= this.#windowEndsAt) {
      this.#recorded.clear()
      this.#windowEndsAt = now + WINDOW_MS
    }
    const recorded = this.#recorded.get(type) ?? new Set()
    this.#recorded.set(type, recorded)
    if (recorded.has(whom) || recorded.size >= MOST_OF_A_TYPE) return false
    recorded.add(whom)
    if (recorded.size === MOST_OF_A_TYPE)
      this.#onLost(`too many ${type} events: no more of them are written to the audit log for the rest of the hour`)
    return true
  }
}
