import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, type View, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { sessionsPage } from '../../src/pages/sessions-page.js'
import { Problem } from '../../src/problems.js'

const Form = Type.Union([
  Type.Object({ deed: Type.Literal('end'), id: Type.String({ format: 'uuid' }) }),
  Type.Object({ deed: Type.Literal('end-others') }),
])

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const listPage = async ({ userId, sessionId }: { userId: number; sessionId: string }, view: View) =>
    sessionsPage(await app.sessions.list(userId), sessionId, view)
  await takeForms(app)

  app.get('/account/sessions', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) => reply.page(await listPage(request.user, viewOf(request))),
  })

  app.post('/account/sessions', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const { user, body } = request
      const client = clientOf(request)
      if (body.deed === 'end-others') await app.accounts.endOtherSessions(user.userId, user.sessionId, client)
      else if (!(await app.sessions.revokeOwn(user.userId, body.id, client))) {
        return reply.page(await listPage(user, errorView(new Problem('not_found'), ['not_found'], request)))
      }
      return doneOn(reply, 'sessions')
    },
  })
}

export default routes
