import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hasPages } from '../../src/config/pages.js'
import { ICON } from '../../src/pages/layout.js'
import { STYLES } from '../../src/pages/styles.js'

const ONE_DAY_S = 86_400
const ONE_YEAR_S = 31_536_000

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return

  app.get('/account/styles.css', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply
        .headers({
          'cache-control': `public, max-age=${ONE_YEAR_S}, immutable`,
          'content-type': 'text/css; charset=utf-8',
        })
        .send(STYLES),
  })

  app.get('/account/icon.svg', {
    config: { public: true },
    schema: { hide: true },
    handler: (_request, reply) =>
      reply.headers({ 'cache-control': `public, max-age=${ONE_DAY_S}`, 'content-type': 'image/svg+xml' }).send(ICON),
  })
}

export default routes
