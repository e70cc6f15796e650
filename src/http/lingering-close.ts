import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a client may go on sending after its answer, before the connection is closed. */
const LINGER_MS = 1_000
/** How much of that is read and dropped; after it the client is no longer read, but still has the time. */
const LINGER_BYTES = 2 ** 20

/**
 * Ends a connection whose client may still be sending (RFC 9112, section 9.6). A socket that is closed with bytes unread
 * resets the connection, and the client that was busy sending never sees its answer.
 */
export function lingeringClose(socket: Socket): void {
  if (socket.destroyed) return
  const destroy = () => void socket.destroy()
  // Not unref: a paused socket does not keep the process alive, and closing the server waits for it.
  const timer = setTimeout(destroy, LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  // What follows is no request: the HTTP parser must not see it.
  for (const event of ['data', 'end']) socket.removeAllListeners(event)
  let dropped = 0
  socket.on('data', (bytes) => {
    dropped += bytes.length
    if (dropped >= LINGER_BYTES) socket.pause()
  })
  // The client has sent all; the answer may still be on its way out.
  socket.once('end', () => (socket.writableFinished ? destroy() : socket.once('finish', destroy)))
  socket.once('error', destroy)
  if (socket.writable) socket.end()
  socket.resume()
}

/**
 * For an answer that leaves before the request's body has arrived. Node reads and drops the rest; a rest that may be
 * without end, or a connection that is to be closed anyway, is read for a moment and then cut off.
 * @param limit the largest body that is read to its end, in bytes
 */
export function lingerIfUnread({ raw, headers }: FastifyRequest, reply: FastifyReply, limit: number): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  if (raw.complete || (length === undefined && encoding === undefined)) return
  if (encoding !== undefined || Number(length) > limit) reply.header('connection', 'close')
  // Node calls this, and nothing else, once the last answer of a connection is written.
  raw.socket.destroySoon = () => lingeringClose(raw.socket)
}
