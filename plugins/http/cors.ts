import cors from '@fastify/cors'
import plugin from 'fastify-plugin'
import { EXPOSED_HEADERS, PREFLIGHT_KEPT_S } from '../../src/http/cors.js'

const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers': 'authorization, content-type, if-match, if-none-match, x-request-id',
  'access-control-max-age': PREFLIGHT_KEPT_S,
}

/** Allows only pages of CORS_ORIGINS to call this service. If CORS_ORIGINS is empty, no CORS headers are sent. */
export default plugin(
  async (app) => {
    const { CORS_ORIGINS } = app.config
    if (CORS_ORIGINS.length === 0) return
    // With `preflight`, the plugin would answer every OPTIONS request as a preflight.
    await app.register(cors, { origin: CORS_ORIGINS, exposedHeaders: EXPOSED_HEADERS, preflight: false })
    app.addHook('onRequest', (request, reply, done) => {
      if (request.method !== 'OPTIONS') done()
      else if (request.headers['access-control-request-method'] !== undefined) {
        reply.code(204).headers(PREFLIGHT_HEADERS).send()
      } else if (request.routeOptions.url === '*') reply.callNotFound()
      else done()
    })
  },
  { name: 'cors' },
)
