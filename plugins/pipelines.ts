import type { Socket } from 'node:net'
import plugin from 'fastify-plugin'

/**
 * How many requests of one connection may be without an answer. Clients that send the next request before they have read
 * the last answer are rare, and send a few.
 */
const UNANSWERED_MAX = 32

/**
 * Bounds pipelining. Node takes all requests of a packet, some hundreds, before anything else is done: they would all be
 * worked on at once, and their answers wait in memory one behind the other.
 */
export default plugin(
  async (app) => {
    const unanswered = new WeakMap<Socket, number>()
    app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
      const count = (unanswered.get(socket) ?? 0) + 1
      unanswered.set(socket, count)
      if (count <= UNANSWERED_MAX) return done()
      // What else came with the packet still arrives here, and nobody is answered any more.
      reply.hijack()
      socket.destroy()
    })
    app.addHook('onResponse', ({ raw: { socket } }, _reply, done) => {
      unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1)
      done()
    })
  },
  { name: 'pipelines' },
)
