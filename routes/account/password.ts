import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, viewOf } from '../../src/pages/account-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { passwordPage } from '../../src/pages/password-page.js'
import type { ProblemCode } from '../../src/problems.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const CORRECTABLE: readonly ProblemCode[] = ['wrong_password', 'password_rejected', 'too_many_attempts']

const password = Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH })
const Form = Type.Object({ current_password: password, new_password: password })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  await takeForms(app)

  app.get('/account/password', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) => reply.page(passwordPage(await app.stepUp.begin(request.user), viewOf(request))),
  })

  app.post('/account/password', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const client = clientOf(request)
      const { current_password, new_password } = request.body
      try {
        const user = await app.stepUp.confirm(request.user, current_password, client)
        const passwordHash = await app.newPasswords.hash(user, new_password, client)
        await app.newPasswords.change({ user, passwordHash }, request.user.sessionId, client)
      } catch (error) {
        const view = errorView(error, CORRECTABLE, request)
        return reply.page(passwordPage(await app.accounts.get(request.user.userId), view))
      }
      return doneOn(reply, 'password')
    },
  })
}

export default routes
