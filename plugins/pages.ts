import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { pagesNotice } from '../src/config/pages.js'
import { logFault, toProblem } from '../src/http/problem-answers.js'
import { languageOf } from '../src/pages/languages.js'
import { layout, type Page, siteOf } from '../src/pages/layout.js'
import { pageHeaders } from '../src/pages/page-headers.js'
import { refusalPage } from '../src/pages/refusals.js'
import { isOwnForm } from '../src/pages/same-origin.js'
import { Problem } from '../src/problems.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers people's browsers: errors are pages, and forms are taken from our own pages alone. */
    page?: true
  }
  interface FastifyReply {
    /** Sends a page in the language of the browser. */
    page(page: Page): FastifyReply
  }
}

/** Pages for people: how they look, their headers, where their forms may come from, and their errors. */
export default plugin(
  async (app) => {
    const { config } = app
    const site = siteOf(config)
    const notice = pagesNotice(config)
    if (notice !== undefined) app.addHook('onListen', async () => app.log.warn(notice))

    app.decorateReply('page', function sendPage(this: FastifyReply, page: Page) {
      const locale = languageOf(this.request.headers)
      return this.code(page.status ?? 200)
        .headers(pageHeaders(locale))
        .send(layout(page, site, locale))
    })

    app.addHook('onRoute', (route) => {
      if (!route.config?.page) return
      route.errorHandler ??= answerWithPage
      // No operation of the API.
      route.schema = { ...route.schema, hide: true }
    })

    app.addHook('onRequest', ({ method, headers, routeOptions }, _reply, done) => {
      const isForeign = routeOptions.config.page && method === 'POST' && !isOwnForm(headers, config)
      done(isForeign ? new Problem('foreign_form') : undefined)
    })
  },
  { name: 'pages' },
)

function answerWithPage(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error)
  logFault(problem, request)
  return reply.headers(problem.headers).page(refusalPage(problem, languageOf(request.headers)))
}
