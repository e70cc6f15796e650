import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '../problems.js'
import { hashes, timed } from '../telemetry/channels.js'

/** How long a log-in may wait for a processor. */
const QUEUE_DEADLINE_MS = 2_000
/** Limited, because each hashing thread takes about 10 MiB. */
const MOST_SLOTS = 16
/** The memory limit of all running hashes together: as much as the largest accepted argon2 or scrypt hash. */
const MEMORY_BUDGET = 128 * 2 ** 20
/** Hashes with less memory are not counted. */
const CHEAP_MEMORY = 16 * 2 ** 20

/** The account and the network that a hash is computed for, and its memory. */
export interface Turn {
  /** Whether the client has disconnected. */
  isGone?(): boolean
  /** The account of the log-in or confirmation. Only one hash per account runs at a time. */
  account?: string | undefined
  /** The network of the client. */
  network?: string | undefined
  /** The memory of the hash, in bytes. */
  memory?: number
}

interface Place {
  turn: Turn
  start(): void
  giveUp(): void
}

/** An account or a network with running or waiting hashes. */
interface Party {
  atWork: number
  waiting: number
  /** The sequence number of its last hash in the queue; 0 before the first. */
  servedAt: number
}

/**
 * Runs one hash per processor, up to a limit, and lets some more wait. Fair queueing: the account that was served
 * longest ago is next, then the network that was served longest ago. So a flood from one account or network delays
 * another user only by the running hashes.
 */
export class HashQueue {
  /** The number of hashes that run at once. */
  readonly slots: number
  readonly #limit: number
  /** In order of arrival. */
  readonly #places = new Set<Place>()
  readonly #parties = new Map<string, Party>()
  #running = 0
  #memory = 0
  #served = 0

  constructor(limit: number, slots = Math.min(availableParallelism(), MOST_SLOTS)) {
    this.#limit = limit
    this.slots = slots
  }

  /** The number of waiting hashes. */
  get waiting(): number {
    return this.#places.size
  }

  /**
   * Runs a task in its turn. Afterwards, for `restOf(result)` milliseconds, the caller waits and the account can run no
   * other hash, but the slot is free.
   * @throws Problem hashing_overloaded when the queue is full, the wait is too long, or another turn displaces this
   * turn
   */
  async run<Result>(
    task: () => Promise<Result>,
    turn: Turn = {},
    restOf: (result: Result) => number = () => 0,
  ): Promise<Result> {
    if (this.#mayStart(turn) && !(isLarge(turn) && this.#isLargeWaiting())) this.#begin(turn)
    else await this.#wait(turn)
    let restMs = 0
    try {
      const result = await timed(hashes, task)
      restMs = restOf(result)
      return result
    } finally {
      this.#freeSlot(turn)
      if (restMs > 0) await sleep(restMs)
      this.#end(turn)
    }
  }

  /** @throws Problem hashing_overloaded when this turn can neither start, nor wait, nor displace another */
  assertRoom(turn: Turn): void {
    if (this.#mayStart(turn) || this.#places.size < this.#limit) return
    this.#leaveOutGone()
    if (this.#places.size < this.#limit || this.#displaceableBy(turn) !== undefined) return
    throw new Problem('hashing_overloaded')
  }

  #mayStart({ account, memory = 0 }: Turn): boolean {
    const isBusy = account !== undefined && (this.#parties.get(account)?.atWork ?? 0) > 0
    const fits = memory < CHEAP_MEMORY || this.#memory + memory <= MEMORY_BUDGET
    return this.#running < this.slots && !isBusy && fits
  }

  #begin(turn: Turn): void {
    this.#running += 1
    this.#served += 1
    if (isLarge(turn)) this.#memory += turn.memory ?? 0
    for (const party of this.#partiesOf(turn)) {
      party.atWork += 1
      party.servedAt = this.#served
    }
  }

  #freeSlot(turn: Turn): void {
    this.#running -= 1
    if (isLarge(turn)) this.#memory -= turn.memory ?? 0
    this.#startNext()
  }

  #end(turn: Turn): void {
    for (const party of this.#partiesOf(turn)) party.atWork -= 1
    this.#forget(turn)
    this.#startNext()
  }

  #startNext(): void {
    // Drops the hashes of disconnected clients: otherwise a flood would be computed to its end.
    this.#leaveOutGone()
    for (let next = this.#next(); next !== undefined; next = this.#next()) next.start()
  }

  /** Resolves when the turn starts. */
  #wait(turn: Turn): Promise<void> {
    this.assertRoom(turn)
    if (this.#places.size >= this.#limit) this.#displaceableBy(turn)?.giveUp()
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#places.delete(place)
        for (const party of this.#partiesOf(turn)) party.waiting -= 1
        this.#forget(turn)
      }
      const place: Place = {
        turn,
        start: () => {
          this.#begin(turn)
          leave()
          resolve()
        },
        giveUp: () => {
          leave()
          reject(new Problem('hashing_overloaded'))
        },
      }
      const timer = setTimeout(place.giveUp, QUEUE_DEADLINE_MS)
      this.#places.add(place)
      for (const party of this.#partiesOf(turn)) party.waiting += 1
    })
  }

  /** The next turn that may start, sorted by when its account, then its network, was last served. */
  #next(): Place | undefined {
    const servedAt = (key: string | undefined) => (key === undefined ? 0 : (this.#parties.get(key)?.servedAt ?? 0))
    const inOrder = [...this.#places].sort(
      ({ turn: a }, { turn: b }) =>
        servedAt(a.account) - servedAt(b.account) || servedAt(a.network) - servedAt(b.network),
    )
    // Large hashes start in order: otherwise smaller hashes could starve the first.
    const [firstLarge] = inOrder.filter(({ turn }) => isLarge(turn))
    return inOrder.find((place) => this.#mayStart(place.turn) && (!isLarge(place.turn) || place === firstLarge))
  }

  /**
   * The turn that a newcomer without waiting turns displaces: the newest turn of the account or network with the most
   * waiting turns, if there is more than one and it is not of the newcomer.
   */
  #displaceableBy(turn: Turn): Place | undefined {
    const own = turn.account ?? turn.network
    if (own === undefined || (this.#parties.get(own)?.waiting ?? 0) > 0) return undefined
    let [greediest, most] = ['', 1]
    for (const [key, { waiting }] of this.#parties) {
      if (waiting > most && key !== turn.account && key !== turn.network) [greediest, most] = [key, waiting]
    }
    return [...this.#places].findLast(({ turn }) => turn.account === greediest || turn.network === greediest)
  }

  #isLargeWaiting(): boolean {
    return [...this.#places].some(({ turn }) => isLarge(turn))
  }

  #partiesOf(turn: Turn): Party[] {
    return keysOf(turn).map((key) => {
      const party = this.#parties.get(key) ?? { atWork: 0, waiting: 0, servedAt: 0 }
      this.#parties.set(key, party)
      return party
    })
  }

  #forget(turn: Turn): void {
    for (const key of keysOf(turn)) {
      const party = this.#parties.get(key)
      if (party?.atWork === 0 && party.waiting === 0) this.#parties.delete(key)
    }
  }

  #leaveOutGone(): void {
    for (const place of this.#places) if (place.turn.isGone?.()) place.giveUp()
  }
}

function isLarge({ memory = 0 }: Turn): boolean {
  return memory >= CHEAP_MEMORY
}

function keysOf({ account, network }: Turn): string[] {
  return [account, network].filter((key) => key !== undefined)
}
