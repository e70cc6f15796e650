import type { Socket } from 'node:net'
import plugin from 'fastify-plugin'

/** The most unanswered requests per connection. Clients that pipeline are rare, and pipeline only a few requests. */
const UNANSWERED_MAX = 32

/** The pipeline of a connection: the number of unanswered requests, and the requests that have not started. */
interface Line {
  unanswered: number
  waiting: (() => void)[]
}

/**
 * Limits pipelining. Node parses all requests of a packet, possibly hundreds, at once, and buffers their responses.
 * Here a request starts only after the previous response is sent, so a connection buffers at most one response, and the
 * work for a closed connection ends with the current request.
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
      // The remaining requests of the packet still arrive here. They get no response.
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
