import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hasPages } from '../../src/config/pages.js'
import { Problem } from '../../src/problems.js'

/** A translated page for paths that do not exist. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return

  app.get('/account/*', {
    config: { public: true, page: true },
    handler: () => {
      throw new Problem('not_found')
    },
  })
}

export default routes
