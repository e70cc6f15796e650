import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { afterLogIn } from '../../src/oauth/interaction.js'
import { beginEnrollment } from '../../src/pages/enrollment-steps.js'
import { flowOf, logInAddress } from '../../src/pages/flow.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { lookAtMailPage, registeredPage, registerPage } from '../../src/pages/register-page.js'
import { Problem, type ProblemCode } from '../../src/problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../../src/text-lengths.js'

const CORRECTABLE: readonly ProblemCode[] = [
  ...(['username_rejected', 'username_taken', 'email_rejected', 'email_taken'] as const),
  ...(['password_rejected', 'validation_failed'] as const),
]

const Form = Type.Object({
  username: Type.Optional(Type.String({ maxLength: 128 })),
  email: Type.Optional(Type.String({ maxLength: IDENTIFIER_MAX_LENGTH })),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  if (!hasPages(config)) return
  const needsEmail = config.EMAIL_VERIFICATION === 'required'
  const pageOf = (flow: string) => ({
    action: `${publicPath(config)}/account/register${flow}`,
    logIn: logInAddress(config, flow),
    needsEmail,
  })
  await takeForms(app)

  app.get('/account/register', {
    config: { public: true, page: true, rateLimit: 'network' },
    handler: async (request, reply) => {
      if (config.REGISTRATION === 'closed') throw new Problem('registration_closed')
      return reply.page(registerPage(pageOf(flowOf(request)), pageLanguage(request)))
    },
  })

  app.post('/account/register', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { body: Form },
    handler: async (request, reply) => {
      const locale = pageLanguage(request)
      const flow = flowOf(request)
      const form = pageOf(flow)
      const { username, email, password } = request.body
      const client = clientOf(request)
      try {
        const account = { username: username || undefined, email: email || undefined, locale, password }
        if (account.username === undefined && account.email === undefined) throw new Problem('validation_failed')
        const user = await app.registration.register(account, client)
        if (user.unprovenUntil === null && app.enrollments.isNeeded(user)) {
          const place = { action: form.logIn, locale, isShared: false }
          return reply.page(await beginEnrollment(app.enrollments.refusal(user, 'pwd'), request, place))
        }
        if (user.unprovenUntil === null) {
          const device = { cookie: request.headers.cookie, isShared: false }
          reply.header('set-cookie', (await app.browserSessions.begin(user, device, client)).setCookie)
        }
      } catch (error) {
        const problem = toProblem(error)
        if (!CORRECTABLE.includes(problem.code)) throw error
        return reply.page(registerPage({ ...form, username, email, error: sentenceOf(problem, locale) }, locale))
      }
      if (needsEmail) return reply.page(lookAtMailPage(form.logIn, locale))
      return reply.page(registeredPage(logInAddress(config, flow && afterLogIn(flow)), locale))
    },
  })
}

export default routes
