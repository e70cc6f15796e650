import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { shownIn } from '../../src/accounts/shown.js'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { siteOf } from '../../src/pages/layout.js'
import { FACTOR_CODE_MAX_LENGTH } from '../../src/pages/log-in-page.js'
import { codeTyped } from '../../src/pages/log-in-steps.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { resetDonePage, resetPage } from '../../src/pages/reset-page.js'
import type { ProblemCode } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

/** Errors that the form shows, because the user can correct them there. */
const CORRECTABLE: readonly ProblemCode[] = ['password_rejected', 'email_rejected', 'invalid_reset_token', 'wrong_code']

const Link = Type.Object({ token: Type.Optional(Type.String({ maxLength: 128 })) })
const Form = Type.Object({
  token: Type.Optional(Type.String({ maxLength: 128 })),
  email: Type.Optional(Type.String({ maxLength: IDENTIFIER_MAX_LENGTH })),
  code: Type.Optional(Type.String({ maxLength: 32 })),
  factor: Type.Optional(Type.String({ maxLength: FACTOR_CODE_MAX_LENGTH })),
  new_password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const site = siteOf(app.config)
  await takeForms(app)

  // A GET uses nothing up: mail scanners open every link.
  app.get('/account/reset', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Link },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { token } = request.query
      if (!token) return reply.page(resetPage({}, site, locale))
      const { user } = await app.oneTimeTokens.find(['password_reset'], { token }, clientOf(request).ip)
      return reply.page(resetPage({ token, name: user.username ?? user.email ?? undefined }, site, locale))
    },
  })

  app.post('/account/reset', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const { new_password: password, token, email, factor } = request.body
      const reset = { password, factor: factor ? codeTyped(factor) : undefined }
      try {
        await app.newPasswords.resetBy(shownIn(request.body), reset, clientOf(request))
      } catch (error) {
        const problem = toProblem(error)
        if (problem.code === 'mfa_required')
          return reply.page(resetPage({ token, email, asksFactor: true }, site, locale))
        const isLink = problem.code === 'invalid_reset_token' && token
        if (!CORRECTABLE.includes(problem.code) || isLink) throw error
        return reply.page(
          resetPage(
            { token, email, asksFactor: factor !== undefined, error: sentenceOf(problem, locale) },
            site,
            locale,
          ),
        )
      }
      return reply.page(resetDonePage(site, locale))
    },
  })
}

export default routes
