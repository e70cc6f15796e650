import pg from 'pg'
import { Client } from './client.js'

/** How long to wait for a server that is still starting, or that no longer answers. */
export const CONNECT_TIMEOUT_MS = 30_000
const TRY_TIMEOUT_MS = 5_000
/** How often the server is tried during that time. */
const TRIES = 6

/**
 * Runs work on `client` that may take any time, such as a migration. Closes the connection if the server at `url` answers
 * no new connection for `timeoutMs`: the server or the network hangs, and the work would never end.
 */
export async function watched<Result>(
  client: Client,
  url: string,
  work: () => Promise<Result>,
  timeoutMs = CONNECT_TIMEOUT_MS,
): Promise<Result> {
  let isOver = false
  let answeredAt = performance.now()
  const timer = setTimeout(async () => {
    const isAnswering = await answers(url)
    if (isOver) return
    if (isAnswering) answeredAt = performance.now()
    const silentMs = performance.now() - answeredAt
    if (silentMs < timeoutMs) timer.refresh()
    else client.stream.destroy(new Error(`the server has not answered for ${Math.round(silentMs / 1_000)} s`))
  }, timeoutMs / TRIES)
  try {
    return await work()
  } finally {
    isOver = true
    clearTimeout(timer)
  }
}

/** Whether the server answers a new connection. A refusal, such as "too many connections", is an answer. */
async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: TRY_TIMEOUT_MS })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    return error instanceof pg.DatabaseError
  } finally {
    client.end().catch(() => {})
  }
}
