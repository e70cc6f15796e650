import plugin from 'fastify-plugin'
import { EXPOSED_HEADERS, PREFLIGHT_KEPT_S } from '../../src/http/cors.js'
import { pathOf } from '../../src/http/request-target.js'

/** The endpoints that a client in a browser calls itself. */
const PATHS: readonly string[] = ['/v1/token', '/v1/revoke', '/v1/userinfo']

/**
 * Allows pages at the origin of a registered redirect URI to call these endpoints: a page that may receive a code may
 * exchange the code. The endpoints ignore cookies, so a page can use only its own tokens.
 */
export default plugin(
  async (app) => {
    // Runs before the hook of CORS_ORIGINS, which answers preflights of every origin.
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
