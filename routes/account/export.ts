import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { sendExport } from '../../src/api/account-export.js'
import { hasPages } from '../../src/config/pages.js'
import { viewOf } from '../../src/pages/account-page.js'
import { exportPage } from '../../src/pages/export-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/export', {
    config: { page: true, browser: true, recentLogin: true },
    handler: async (request, reply) => reply.page(exportPage(viewOf(request))),
  })

  app.post('/account/export', {
    config: { page: true, browser: true, recentLogin: true, rateLimit: 'account' },
    handler: sendExport,
  })
}

export default routes
