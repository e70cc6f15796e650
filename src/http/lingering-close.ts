import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a client may continue to send after its response, before the connection is closed. */
const LINGER_MS = 1_000
/**
 * How much of that is read and discarded. After that, reading stops, but the connection stays open for the rest of the
 * time.
 */
const LINGER_BYTES = 2 ** 20

/**
 * Closes a connection whose client may still be sending (RFC 9112, section 9.6). Closing a socket with unread bytes
 * resets the connection, and the client never sees its response.
 */
export function lingeringClose(socket: Socket): void {
  if (socket.destroyed) return
  const destroy = () => void socket.destroy()
  // Without unref: a paused socket does not keep the process alive, and closing the server waits for the socket.
  const timer = setTimeout(destroy, LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  // The remaining bytes are not a request, so they must not reach the HTTP parser.
  for (const event of ['data', 'end']) socket.removeAllListeners(event)
  let dropped = 0
  socket.on('data', (bytes) => {
    dropped += bytes.length
    if (dropped >= LINGER_BYTES) socket.pause()
  })
  // The client is done sending. The response may still be in transit.
  socket.once('end', () => (socket.writableFinished ? destroy() : socket.once('finish', destroy)))
  socket.once('error', destroy)
  if (socket.writable) socket.end()
  socket.resume()
}

/**
 * For a response that is sent before the request body has arrived. Node reads and discards the rest. If the rest may be
 * endless, or the connection will be closed anyway, reads for a moment and then closes the connection.
 * @param limit the largest body that is read completely, in bytes
 */
export function lingerIfUnread({ raw, headers }: FastifyRequest, reply: FastifyReply, limit: number): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  if (raw.complete || (length === undefined && encoding === undefined)) return
  if (encoding !== undefined || Number(length) > limit) reply.header('connection', 'close')
  // Node calls only this method once the last response of a connection is written.
  raw.socket.destroySoon = () => lingeringClose(raw.socket)
}
