import plugin from 'fastify-plugin'

/** Says once that a proxy in front is not trusted: its clients would all share one address, and one budget. */
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
