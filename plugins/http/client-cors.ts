import plugin from 'fastify-plugin'
import { EXPOSED_HEADERS, PREFLIGHT_KEPT_S } from '../../src/http/cors.js'
import { pathOf } from '../../src/http/request-target.js'

/** What a client in a browser calls itself, behind a log-in on our page. */
const PATHS: readonly string[] = ['/v1/token', '/v1/revoke', '/v1/userinfo']

/**
 * Lets pages call these addresses from where clients have people sent back to: whoever may be handed a code there may exchange
 * it there. No cookie is taken at them, so that a page acts with what it was given and with nothing else.
 */
export default plugin(
  async (app) => {
    // Before that of CORS_ORIGINS, which answers preflights of every origin.
    app.addHook('onRequest', (request, reply, done) => {
      const { origin, 'access-control-request-method': asked } = request.headers
      if (origin === undefined || !PATHS.includes(pathOf(request.url)) || !app.knownClients.hasPageAt(origin)) {
        return done()
      }
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
        vary: 'Origin',
      })
      if (request.method !== 'OPTIONS' || asked === undefined) return done()
      reply.headers({
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'authorization, content-type',
        'access-control-max-age': PREFLIGHT_KEPT_S,
      })
      reply.code(204).send()
    })
  },
  { name: 'client-cors' },
)
