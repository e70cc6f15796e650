import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, type View, viewOf } from '../../src/pages/account-page.js'
import { appsPage } from '../../src/pages/apps-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'

const Form = Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const listPage = async ({ userId }: { userId: number }, view: View) => appsPage(await app.consents.list(userId), view)
  await takeForms(app)

  app.get('/account/apps', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) => reply.page(await listPage(request.user, viewOf(request))),
  })

  app.post('/account/apps', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      try {
        await app.consents.revoke(request.user.userId, request.body.id, clientOf(request))
      } catch (error) {
        return reply.page(await listPage(request.user, errorView(error, ['not_found'], request)))
      }
      return doneOn(reply, 'apps')
    },
  })
}

export default routes
