import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { accountLogIn, LogInQuery, waysOutOf } from '../../src/pages/flow.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { languageOf } from '../../src/pages/languages.js'
import { logInPage } from '../../src/pages/log-in-page.js'
import { LogInForm, logInPageAfter, proveBy } from '../../src/pages/log-in-steps.js'

/** The log-in of the pages of the account. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const path = publicPath(app.config)
  await takeForms(app)

  app.get('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: LogInQuery },
    handler: async (request, reply) => {
      const { to, again } = request.query
      const session = await app.browserSessions.find(request.headers.cookie, clientOf(request))
      if (session !== undefined && again === undefined) {
        return reply.redirect(`${path}${to}`, 303)
      }
      const user = session && (await app.accounts.find(session.userId))
      const username = user?.username ?? user?.email ?? undefined
      const form = { ...placesOf(request.query), username, question: app.passkeyLogIn.offer() }
      return reply.page(logInPage(form, languageOf(request.headers)))
    },
  })

  app.post('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: LogInQuery, body: LogInForm },
    handler: async (request, reply) => {
      const { body, query, headers } = request
      const client = clientOf(request)
      try {
        const user = await proveBy(body, request)
        const device = { cookie: headers.cookie, isShared: body.shared !== undefined }
        const { setCookie } = await app.browserSessions.begin(user, device, client)
        return reply.header('set-cookie', setCookie).redirect(`${path}${query.to}`, 303)
      } catch (error) {
        const where = { ...placesOf(query), passkeys: app.passkeyLogIn, locale: languageOf(headers) }
        return reply.page(await logInPageAfter(toProblem(error), body, where))
      }
    },
  })

  function placesOf(query: LogInQuery) {
    const action = accountLogIn(app.config, query)
    return { action, waysOut: waysOutOf(app, '', action) }
  }
}

export default routes
