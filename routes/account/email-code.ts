import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { emailKey } from '../../src/accounts/names.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { emailCodePage, emailCodeSentPage } from '../../src/pages/email-code-page.js'
import { accountLogIn, emailCodeAddress, flowOf, LogInQuery, logInAddress } from '../../src/pages/flow.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { Problem } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH } from '../../src/text-lengths.js'

const Form = Type.Object({ email: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }) })

/** Requests a mailed code. The page after it posts the code to the log-in. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  if (!hasPages(config)) return
  await takeForms(app)

  app.get('/account/email-code', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      app.codeLogIn.assertOn()
      return reply.page(emailCodePage(placesOf(request), pageLanguage(request)))
    },
  })

  // Writes one row whether or not an account has the address: neither the response nor its time reveals it.
  app.post('/account/email-code', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      app.codeLogIn.assertOn()
      const locale = pageLanguage(request)
      const { email } = request.body
      const { action, logIn } = placesOf(request)
      try {
        await app.mail.outbox.request({ purpose: 'login', address: emailKey(email), locale }, clientOf(request).ip)
      } catch (error) {
        const problem = toProblem(error)
        if (problem.code !== 'email_rejected') throw error
        return reply.page(emailCodePage({ action, logIn, email, error: sentenceOf(problem, locale) }, locale))
      }
      return reply.page(emailCodeSentPage({ action: logIn, another: action, email }, locale))
    },
  })

  /** The addresses of this page and of the log-in, each with the query that leads on. */
  function placesOf(request: FastifyRequest) {
    const flow = flowOf(request)
    // An authorization request may have parameters of these names. They are ignored there (RFC 6749 section 3.1).
    if (flow === '' && !request.validateInput(request.query, LogInQuery)) throw new Problem('validation_failed')
    const logIn = flow === '' ? accountLogIn(config, request.query as LogInQuery) : logInAddress(config, flow)
    return { action: emailCodeAddress(config, logIn), logIn }
  }
}

export default routes
