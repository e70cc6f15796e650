import plugin from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    drain: {
      /** True once this process has begun to stop: it answers what comes, and asks clients to come elsewhere next. */
      readonly hasBegun: boolean
      begin(): void
    }
  }
}

/** The beginning of the end of a process, as /readyz and every answer show it. */
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
