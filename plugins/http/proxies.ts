import plugin from 'fastify-plugin'

/**
 * Warns once about a proxy that TRUST_PROXY does not name: all its clients would share one address and one rate limit.
 */
export default plugin(
  async (app) => {
    let hasWarned = false
    app.addHook('onRequest', (request, _reply, done) => {
      const peer = request.socket.remoteAddress
      if (!hasWarned && request.headers['x-forwarded-for'] !== undefined && request.ip === peer) {
        hasWarned = true
        app.log.warn({ peer }, 'X-Forwarded-For from a peer that TRUST_PROXY does not name is ignored')
      }
      done()
    })
  },
  { name: 'proxies' },
)
