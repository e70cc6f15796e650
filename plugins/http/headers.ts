import plugin from 'fastify-plugin'
import { securityHeaders } from '../../src/http/security-headers.js'

/** Puts the security headers on every answer, also on those of errors. */
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
