import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { invitationDonePage, invitationPage } from '../../src/pages/invitation-page.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { siteOf } from '../../src/pages/layout.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import type { ProblemCode } from '../../src/problems.js'
import { PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const CORRECTABLE: readonly ProblemCode[] = ['password_rejected', 'username_rejected', 'username_taken']

const Link = Type.Object({ token: Type.String({ maxLength: 128 }) })
const Form = Type.Object({
  token: Type.String({ maxLength: 128 }),
  username: Type.Optional(Type.String({ maxLength: 128 })),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const site = siteOf(app.config)
  await takeForms(app)

  app.get('/account/invitation', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Link },
    handler: async (request, reply) => {
      const { token } = request.query
      const { user } = await app.invitations.find(token, clientOf(request))
      const who = { email: user.email ?? undefined, username: user.username ?? undefined }
      const isNameless = user.username === null
      return reply.page(invitationPage({ token, ...who, isNameless }, site, pageLanguage(request)))
    },
  })

  app.post('/account/invitation', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { token, username, password } = request.body
      const client = clientOf(request)
      try {
        const names = { password, username: username || undefined }
        await app.invitations.accept(token, names, { client, finish: async () => {} })
      } catch (error) {
        const problem = toProblem(error)
        if (!CORRECTABLE.includes(problem.code)) throw error
        const again = { token, username, isNameless: username !== undefined, error: sentenceOf(problem, locale) }
        return reply.page(invitationPage(again, site, locale))
      }
      return reply.page(invitationDonePage(site, locale))
    },
  })
}

export default routes
