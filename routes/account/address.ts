import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { emailKey } from '../../src/accounts/names.js'
import { NO_PENDING_EMAIL } from '../../src/accounts/user-rows.js'
import { actorOf } from '../../src/audit/actors.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { Done, doneOn, errorView, viewOf } from '../../src/pages/account-page.js'
import { addressPage } from '../../src/pages/address-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import type { ProblemCode } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const CORRECTABLE: readonly ProblemCode[] = ['email_rejected', 'email_taken', 'wrong_password', 'too_many_attempts']

const Withdrawal = Type.Object({ deed: Type.Literal('withdraw') })
const Form = Type.Object({
  email: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }),
  current_password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const { isOn: isMailOn } = app.mail.outbox
  await takeForms(app)

  app.get('/account/address', {
    config: { page: true, browser: true },
    schema: { querystring: Done },
    handler: async (request, reply) =>
      reply.page(addressPage(await app.stepUp.begin(request.user), { isMailOn }, viewOf(request))),
  })

  app.post('/account/address', {
    config: { page: true, browser: true, rateLimit: 'account' },
    schema: { body: Type.Union([Withdrawal, Form]) },
    handler: async (request, reply) => {
      const client = clientOf(request)
      const { userId } = request.user
      const owner = actorOf(request)
      if ('deed' in request.body) {
        await app.profiles.update(owner, NO_PENDING_EMAIL)
        return doneOn(reply, 'address')
      }
      const { email, current_password } = request.body
      try {
        const changes = { email, emailKey: emailKey(email) }
        await app.stepUp.confirm(request.user, current_password, client)
        await app.profiles.update(owner, changes)
      } catch (error) {
        const view = errorView(error, CORRECTABLE, request)
        return reply.page(addressPage(await app.accounts.get(userId), { isMailOn, typed: email }, view))
      }
      return doneOn(reply, 'address')
    },
  })
}

export default routes
