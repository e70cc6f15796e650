import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { sessionsPage } from '../../src/pages/sessions-page.js'
import { Problem } from '../../src/problems.js'

const Form = Type.Union([
  Type.Object({ deed: Type.Literal('end'), id: Type.String({ format: 'uuid' }) }),
  Type.Object({ deed: Type.Literal('end-others') }),
])

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/sessions', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) => {
      const { userId, sessionId } = request.user
      return reply.page(sessionsPage(await app.sessions.list(userId), sessionId, viewOf(request)))
    },
  })

  app.post('/account/sessions', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const { user, body } = request
      const client = clientOf(request)
      if (body.deed === 'end-others') await app.accounts.endOtherSessions(user.userId, user.sessionId, client)
      else if (!(await app.sessions.revokeOwn(user.userId, body.id, client))) throw new Problem('not_found')
      return doneOn(reply, 'sessions')
    },
  })
}

export default routes
