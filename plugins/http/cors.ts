import cors from '@fastify/cors'
import plugin from 'fastify-plugin'
import { EXPOSED_HEADERS, PREFLIGHT_KEPT_S } from '../../src/http/cors.js'

/** Allows only pages of CORS_ORIGINS to call this service. If CORS_ORIGINS is empty, no CORS headers are sent. */
export default plugin(
  async (app) => {
    const { CORS_ORIGINS } = app.config
    if (CORS_ORIGINS.length === 0) return
    await app.register(cors, {
      origin: CORS_ORIGINS,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'if-match', 'if-none-match', 'x-request-id'],
      exposedHeaders: EXPOSED_HEADERS,
      maxAge: PREFLIGHT_KEPT_S,
      // An OPTIONS request that is not a preflight gets a 405, like any other unsupported method.
      strictPreflight: false,
    })
  },
  { name: 'cors' },
)
