import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, Type } from '@sinclair/typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { waysOutOf } from '../../src/pages/flow.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { languageOf } from '../../src/pages/languages.js'
import { logInPage } from '../../src/pages/log-in-page.js'
import { LogInForm, logInPageAfter, proveBy } from '../../src/pages/log-in-steps.js'
import { ACCOUNT_PATH_PATTERN } from '../../src/pages/return-paths.js'

const Query = Type.Object({
  /** Where the person goes afterwards: a page of ours, so that a link leads nobody astray. */
  to: Type.String({ pattern: ACCOUNT_PATH_PATTERN, maxLength: 512, default: '/account' }),
  /** Asks also whoever is logged in: before something that changes how one logs in. */
  again: Type.Optional(Type.Literal('1')),
})

/** The log-in of the pages of the account. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const path = publicPath(app.config)
  const waysOut = waysOutOf(app, '')
  await takeForms(app)

  app.get('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Query },
    handler: async (request, reply) => {
      const { to, again } = request.query
      const session = await app.browserSessions.find(request.headers.cookie, clientOf(request))
      if (session !== undefined && again === undefined) {
        return reply.redirect(`${path}${to}`, 303)
      }
      const user = session && (await app.accounts.find(session.userId))
      const username = user?.username ?? user?.email ?? undefined
      const form = { action: actionOf(request.query), username, question: app.passkeyLogIn.offer(), waysOut }
      return reply.page(logInPage(form, languageOf(request.headers)))
    },
  })

  app.post('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: Query, body: LogInForm },
    handler: async (request, reply) => {
      const { body, query, headers } = request
      const client = clientOf(request)
      try {
        const user = await proveBy(body, request)
        const device = { cookie: headers.cookie, isShared: body.shared !== undefined }
        const { setCookie } = await app.browserSessions.begin(user, device, client)
        return reply.header('set-cookie', setCookie).redirect(`${path}${query.to}`, 303)
      } catch (error) {
        const where = { action: actionOf(query), waysOut, passkeys: app.passkeyLogIn, locale: languageOf(headers) }
        return reply.page(await logInPageAfter(toProblem(error), body, where))
      }
    },
  })

  function actionOf({ to, again }: Static<typeof Query>): string {
    return `${path}/account/login?${new URLSearchParams({ to, ...(again !== undefined && { again }) })}`
  }
}

export default routes
