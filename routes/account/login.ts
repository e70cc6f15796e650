import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { clientOf } from '../../src/audit/requester.js'
import { hasPages } from '../../src/config/pages.js'
import { publicPath } from '../../src/config/public-url.js'
import { toProblem } from '../../src/http/problem-answers.js'
import { enrolledPage } from '../../src/pages/enrollment-page.js'
import { accountLogIn, LogInQuery, waysOutOf } from '../../src/pages/flow.js'
import { takeForms } from '../../src/pages/form-bodies.js'
import { pageLanguage } from '../../src/pages/languages.js'
import { logInPage } from '../../src/pages/log-in-page.js'
import { LogInForm, logInPageAfter, proveBy } from '../../src/pages/log-in-steps.js'

/** The log-in of the account pages. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  if (!hasPages(app.config)) return
  const path = publicPath(app.config)
  await takeForms(app)

  app.get('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: LogInQuery },
    handler: async (request, reply) => {
      const { to, again, lost, cookieless } = request.query
      const session = await app.browserSessions.find(request.headers.cookie, clientOf(request))
      if (session !== undefined && again === undefined) {
        return reply.redirect(`${path}${to}`, 303)
      }
      const user = session && (await app.accounts.find(session.userId))
      const username = user?.username ?? user?.email ?? undefined
      const form = {
        ...placesOf(request.query),
        username,
        question: app.passkeyLogIn.offer(),
        isLost: lost !== undefined,
        isCookieless: cookieless !== undefined,
      }
      return reply.page(logInPage(form, pageLanguage(request)))
    },
  })

  app.post('/account/login', {
    config: { public: true, page: true, rateLimit: 'network' },
    schema: { querystring: LogInQuery, body: LogInForm },
    handler: async (request, reply) => {
      const { body, query, headers } = request
      const client = clientOf(request)
      const place = { ...placesOf(query), locale: pageLanguage(request), link: query.enroll }
      const isShared = body.shared !== undefined
      try {
        const proven = await proveBy(body, request, { ...place, isShared })
        if ('body' in proven) return reply.page(proven)
        const { user, recoveryCodes } = proven
        const { setCookie } = await app.browserSessions.begin(user, { cookie: headers.cookie, isShared }, client)
        reply.header('set-cookie', setCookie)
        const onwards = `${path}${query.to}`
        if (recoveryCodes === undefined) return reply.redirect(onwards, 303)
        return reply.page(enrolledPage(recoveryCodes, onwards, place.locale))
      } catch (error) {
        return reply.page(await logInPageAfter(toProblem(error), body, request, place))
      }
    },
  })

  function placesOf(query: LogInQuery) {
    const action = accountLogIn(app.config, query)
    return { action, waysOut: waysOutOf(app, '', action) }
  }
}

export default routes
