import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { emailKey } from '../../src/accounts/names.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { flowOf, logInAddress } from '../../src/pages/flow.js'
import { forgotPage, mailSentPage } from '../../src/pages/forgot-page.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { Problem } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Object({ email: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }) })

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  if (!hasPages(config)) return
  const path = publicPath(config)
  const pageOf = (flow: string) => ({
    action: `${path}/account/forgot${flow}`,
    logIn: logInAddress(config, flow),
  })
  await takeForms(app)

  app.get('/account/forgot', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      if (!app.mail.outbox.isOn) throw new Problem('mail_disabled')
      return reply.page(forgotPage(pageOf(flowOf(request)), pageLanguage(request)))
    },
  })

  // Writes one row whether or not an account has the address: neither the response nor its time reveals it.
  app.post('/account/forgot', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { email } = request.body
      try {
        const mail = { purpose: 'password_reset', address: emailKey(email), locale } as const
        await app.mail.outbox.request(mail, clientOf(request).ip)
      } catch (error) {
        const problem = toProblem(error)
        if (problem.code !== 'email_rejected') throw error
        const again = { ...pageOf(flowOf(request)), email, error: sentenceOf(problem, locale) }
        return reply.page(forgotPage(again, locale))
      }
      return reply.page(mailSentPage(`${path}/account/reset`, locale))
    },
  })
}

export default routes
