import type { FastifyRequest } from 'fastify'
import { Problem } from '../problems.js'

/** So many rows are read at the same moment, in this process: at up to 40 kB each, about 40 MB. */
const ROWS_AT_ONCE = 1_000
/** So many of them for one account: two large pages, or a dozen of the default size. */
const ROWS_OF_ONE = 250
/** As long as for a connection to the database: what waited longer would be answered too late. */
export const PATIENCE_MS = 2_000

interface Page {
  /** So many rows at the most. */
  count: number
  /** For how long it may wait; an answer that has begun is better late than cut off. */
  patienceMs?: number
}

interface PlaceInLine {
  rows: number
  /** Whether its client went away, or was kept waiting too long. */
  isOver(): boolean
  enter(): void
  giveUp(problem: Problem): void
}

let rowsOfAll = 0
const rowsOf = new Map<number, number>()
/** By account, the one whose turn is next first. */
const waiting = new Map<number, PlaceInLine[]>()
let isScheduled = false

/**
 * Reads a page of rows of whoever asks, when there is room for them: hundreds of large pages that are asked for at once
 * would fill the memory before the first of them is cut to its size. Accounts take turns, so that one of them that asks for
 * hundreds of pages keeps only itself waiting.
 * @throws Problem overloaded when its patience is over, two seconds by default, and when the client went away meanwhile
 */
export async function withRoomFor<Result>(
  { user: { userId }, raw: { socket } }: FastifyRequest,
  { count: rows, patienceMs = PATIENCE_MS }: Page,
  read: () => PromiseLike<Result>,
): Promise<Result> {
  if (waiting.size === 0 && fits(userId, rows)) occupy(userId, rows)
  else {
    const latest = performance.now() + patienceMs
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

/** In a later turn of the event loop: the whole line would else be read before anything that was read is sent. */
function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(() => {
    isScheduled = false
    letIn()
  })
}

/** As many as there is room for, in rounds of one for each account. */
function letIn(): void {
  for (const [userId, line] of [...waiting]) {
    const left = line.filter(isStillWaiting)
    if (left.length > 0) waiting.set(userId, left)
    else waiting.delete(userId)
  }
  while (letOneOfEachIn());
}

/** Sends away who is not. Anybody in a line may be: those before them may have more patience. */
function isStillWaiting({ isOver, giveUp }: PlaceInLine): boolean {
  if (!isOver()) return true
  giveUp(new Problem('overloaded'))
  return false
}

/** Whether anybody came in. */
function letOneOfEachIn(): boolean {
  let isAnyIn = false
  for (const [userId, line] of [...waiting]) {
    const [next] = line
    if (next === undefined || rowsOfAll + next.rows > ROWS_AT_ONCE) return false
    if (!fits(userId, next.rows)) continue
    line.shift()
    // Behind all others.
    waiting.delete(userId)
    if (line.length > 0) waiting.set(userId, line)
    occupy(userId, next.rows)
    next.enter()
    isAnyIn = true
  }
  return isAnyIn
}
