import cors from '@fastify/cors'
import plugin from 'fastify-plugin'
import { EXPOSED_HEADERS, PREFLIGHT_KEPT_S } from '../../src/http/cors.js'

/** Lets the pages of CORS_ORIGINS call this service, and no others. Without any, nothing is said of it at all. */
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
      // An OPTIONS request that is no preflight is answered like any other method that is not there.
      strictPreflight: false,
    })
  },
  { name: 'cors' },
)
