import plugin from 'fastify-plugin'
import { securityHeaders } from '../../src/http/security-headers.js'

/** Sets the security headers on every response, including errors. */
export default plugin(
  async (app) => {
    const headers = securityHeaders(app.config)
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(headers).header('x-request-id', request.id)
      done()
    })
  },
  { name: 'headers' },
)
