import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.js'

/** How many rows this process reads at the same time: at up to 40 kB each, about 40 MB. */
const ROWS_AT_ONCE = 1_000
/** The share of one account: two large pages, or a dozen of the default size. */
const ROWS_OF_ONE = 250
/** As long as the wait for a database connection. */
export const ROOM_TIMEOUT_MS = 2_000

interface Page {
  /** The most rows that the page can have. */
  count: number
  /** How long the request may wait. A response that has begun waits without a limit: late is better than cut off. */
  timeoutMs?: number
}

interface PlaceInLine {
  rows: number
  /** Whether the client has disconnected, or has waited for too long. */
  isOver(): boolean
  enter(): void
  giveUp(problem: Problem): void
}

let rowsOfAll = 0
const rowsOf = new Map<number, number>()
/** The queues by account, in the order of their turns. */
const waiting = new Map<number, PlaceInLine[]>()
let isScheduled = false

/**
 * Reads a page of rows once there is room for it: otherwise, hundreds of concurrent requests for large pages would fill
 * the memory. Accounts take turns, so that an account with hundreds of requests delays only itself.
 * @throws Problem overloaded after `timeoutMs`, and if the client has disconnected meanwhile
 */
export async function withRoomFor<Result>(
  { user: { userId }, raw: { socket } }: FastifyRequest,
  { count: rows, timeoutMs = ROOM_TIMEOUT_MS }: Page,
  read: () => PromiseLike<Result>,
): Promise<Result> {
  if (waiting.size === 0 && fits(userId, rows)) occupy(userId, rows)
  else {
    const latest = performance.now() + timeoutMs
    const isOver = () => socket.destroyed || performance.now() > latest
    await new Promise<void>((enter, giveUp) => waitInLine(userId, { rows, isOver, enter, giveUp }))
  }
  try {
    return await read()
  } finally {
    occupy(userId, -rows)
    if (waiting.size > 0) schedule()
  }
}

function fits(userId: number, rows: number): boolean {
  return rowsOfAll + rows <= ROWS_AT_ONCE && (rowsOf.get(userId) ?? 0) + rows <= ROWS_OF_ONE
}

function occupy(userId: number, rows: number): void {
  rowsOfAll += rows
  const ofUser = (rowsOf.get(userId) ?? 0) + rows
  if (ofUser > 0) rowsOf.set(userId, ofUser)
  else rowsOf.delete(userId)
}

function waitInLine(userId: number, place: PlaceInLine): void {
  const line = waiting.get(userId)
  if (line === undefined) waiting.set(userId, [place])
  else line.push(place)
  schedule()
}

/** In a later tick: otherwise the whole queue would be read before any response is sent. */
function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    letIn()
  })
}

/** Admits waiting requests while there is room, one per account and round. */
function letIn(): void {
  for (const [userId, line] of [...waiting]) {
    const left = line.filter(isStillWaiting)
    if (left.length > 0) waiting.set(userId, left)
    else waiting.delete(userId)
  }
  while (letOneOfEachIn());
}

/**
 * Rejects a request that has waited for too long. Any place in a queue may be due: earlier requests may have
 * longer timeouts.
 */
function isStillWaiting({ isOver, giveUp }: PlaceInLine): boolean {
  if (!isOver()) return true
  giveUp(new Problem('overloaded'))
  return false
}

/** Whether any request was admitted. */
function letOneOfEachIn(): boolean {
  let isAnyIn = false
  for (const [userId, line] of [...waiting]) {
    const [next] = line
    if (next === undefined || rowsOfAll + next.rows > ROWS_AT_ONCE) return false
    if (!fits(userId, next.rows)) continue
    line.shift()
    // At the end of the order.
    waiting.delete(userId)
    if (line.length > 0) waiting.set(userId, line)
    occupy(userId, next.rows)
    next.enter()
    isAnyIn = true
  }
  return isAnyIn
}
