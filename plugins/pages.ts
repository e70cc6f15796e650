import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { pagesNotice } from '../src/config/pages.js'
import { publicPath } from '../src/config/public-url.js'
import { logFault, toProblem } from '../src/http/problem-answers.js'
import { refuseOther } from '../src/pages/account-page.js'
import { type Locale, pageLanguage } from '../src/pages/languages.js'
import { layout, type Page, siteOf } from '../src/pages/layout.js'
import { pageHeaders } from '../src/pages/page-headers.js'
import { refusalPage } from '../src/pages/refusals.js'
import { logInPath } from '../src/pages/return-paths.js'
import { isOwnForm } from '../src/pages/same-origin.js'
import { Problem, type ProblemCode } from '../src/problems.js'

/** Methods without side effects. Links from other sites may use them. */
const SAFE: readonly string[] = ['GET', 'HEAD']

/** Errors that a log-in resolves: the page redirects to the log-in. */
const TO_LOG_IN: readonly ProblemCode[] = ['missing_token', 'invalid_token', 'reauthentication_required']

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route for browsers: errors are pages, and only forms of our own pages are accepted. */
    page?: true
    /** The route checks the origin of forms itself: some come from other sites, by specification. */
    foreignForms?: true
    /** Authenticates only by the session cookie of the browser. */
    browser?: true
  }
  interface FastifyReply {
    /** Sends a page. The default language is the language of the browser. */
    page(page: Page, locale?: Locale): FastifyReply
  }
}

/** Pages: layout, headers, the origin check for forms, and errors. */
export default plugin(
  async (app) => {
    const { config } = app
    const site = siteOf(config)
    const notice = pagesNotice(config)
    if (notice !== undefined) app.addHook('onListen', async () => app.log.warn(notice))

    app.decorateReply('page', function sendPage(this: FastifyReply, page: Page, asked?: Locale) {
      const locale = asked ?? pageLanguage(this.request)
      return this.code(page.status ?? 200)
        .headers(pageHeaders(locale))
        .send(layout(page, site, locale))
    })

    app.addHook('onRoute', (route) => {
      if (!route.config?.page) return
      route.errorHandler ??= answerWithPage
      if (route.config.browser) route.preValidation ??= refuseOther
      // Pages are not part of the API.
      route.schema = { ...route.schema, hide: true }
    })

    app.addHook('onRequest', ({ method, headers, routeOptions }, _reply, done) => {
      const { page, browser, foreignForms } = routeOptions.config
      const isChecked = (page || browser) && !foreignForms && !SAFE.includes(method)
      const isForeign = isChecked && !isOwnForm(headers, config, { isLoggedIn: browser === true })
      done(isForeign ? new Problem('foreign_form') : undefined)
    })
  },
  { name: 'pages' },
)

function answerWithPage(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error)
  const { routeOptions, server } = request
  if (routeOptions.config.browser && TO_LOG_IN.includes(problem.code)) {
    const again = problem.code === 'reauthentication_required'
    const address = logInPath(request, publicPath(server.config), { again })
    return reply.redirect(address, 303)
  }
  logFault(problem, request)
  return reply.headers(problem.headers).page(refusalPage(problem, pageLanguage(request)))
}
