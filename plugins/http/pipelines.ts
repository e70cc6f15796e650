import type { Socket } from 'node:net'
import plugin from 'fastify-plugin'

/**
 * How many requests of one connection may be without an answer. Clients that send the next request before they have read
 * the last answer are rare, and send a few.
 */
const UNANSWERED_MAX = 32

/** The requests of one connection: how many have no answer yet, and those of them that have not begun. */
interface Line {
  unanswered: number
  waiting: (() => void)[]
}

/**
 * Bounds pipelining. Node takes all requests of a packet, some hundreds, before anything else is done, and keeps their
 * answers in memory one behind the other. Here a request begins when the answer before it has left this process, so a
 * connection holds one answer at most, and the work of a connection that is gone ends with the request at hand.
 */
export default plugin(
  async (app) => {
    const lines = new WeakMap<Socket, Line>()
    app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
      const line = lines.get(socket)
      if (line === undefined) {
        lines.set(socket, { unanswered: 1, waiting: [] })
        return done()
      }
      line.unanswered += 1
      if (line.unanswered === 1) return done()
      if (line.unanswered <= UNANSWERED_MAX) {
        line.waiting.push(done)
        return
      }
      // What else came with the packet still arrives here, and nobody is answered any more.
      reply.hijack()
      socket.destroy()
    })
    app.addHook('onResponse', ({ raw: { socket } }, _reply, done) => {
      const line = lines.get(socket)
      if (line !== undefined) {
        line.unanswered -= 1
        line.waiting.shift()?.()
      }
      done()
    })
  },
  { name: 'pipelines' },
)
