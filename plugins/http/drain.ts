import plugin from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    drain: {
      /**
       * True once this process has begun to stop: it still responds, but closes connections so that clients reconnect
       * elsewhere.
       */
      readonly hasBegun: boolean
      begin(): void
    }
  }
}

/** The drain state of the process, for /readyz. During a drain every response closes its connection. */
export default plugin(
  async (app) => {
    let hasBegun = false
    app.decorate('drain', {
      get hasBegun() {
        return hasBegun
      },
      begin() {
        hasBegun = true
      },
    })
    app.addHook('onSend', (_request, reply, _payload, done) => {
      if (hasBegun) reply.header('connection', 'close')
      done()
    })
  },
  { name: 'drain' },
)
