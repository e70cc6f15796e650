import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { overviewPage } from '../../src/pages/overview-page.js'

const Form = Type.Object({ deed: Type.Literal('log-out') })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account', {
    config: { page: true, browser: true },
    handler: async (request, reply) =>
      reply.page(overviewPage(await app.accounts.get(request.user.userId), viewOf(request))),
  })

  app.post('/account', {
    config: { page: true, browser: true },
    schema: { body: Form },
    handler: async (request, reply) => {
      const setCookie = await app.browserSessions.end(request.headers.cookie, clientOf(request))
      return reply.header('set-cookie', setCookie).redirect(`${publicPath(app.config)}/account/login`, 303)
    },
  })
}

export default routes
