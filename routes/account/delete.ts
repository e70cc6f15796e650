import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { errorView, viewOf } from '../../src/pages/account-page.js'
import { deletePage } from '../../src/pages/delete-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { goneDonePage } from '../../src/pages/overview-page.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Object({
  current_password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
  sure: Type.Literal('yes'),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/delete', {
    config: { page: true, browser: true },
    handler: async (request, reply) => reply.page(deletePage(await app.stepUp.begin(request.user), viewOf(request))),
  })

  app.post('/account/delete', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const client = clientOf(request)
      const { userId } = request.user
      try {
        await app.stepUp.confirm(request.user, request.body.current_password, client)
        await app.accounts.delete(userId, actorOf(request))
      } catch (error) {
        const view = errorView(error, ['wrong_password', 'too_many_attempts', 'last_admin'], request)
        return reply.page(deletePage(await app.accounts.get(userId), view))
      }
      const setCookie = await app.browserSessions.end(request.headers.cookie, client)
      return reply.header('set-cookie', setCookie).page(goneDonePage(viewOf(request)))
    },
  })
}

export default routes
