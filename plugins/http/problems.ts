import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import findMyWay from 'find-my-way'
import { publicPath } from '../../src/config/public-url.js'
import { sendProblem, toProblem } from '../../src/http/problem-answers.js'
import { pathOf } from '../../src/http/request-target.js'
import { Problem } from '../../src/problems.js'

/** Answers every error, 404 and 405 as problem+json. For a bug the response contains only the request id. */
export default plugin(
  async (app) => {
    // A second router, with each path once, distinguishes an unknown path (404) from an unsupported method (405).
    const paths = findMyWay({ ignoreTrailingSlash: false })
    const methods = new Map<string, Set<string>>()
    const docs = `${publicPath(app.config)}/docs`

    app.addHook('onRoute', ({ url, method }) => {
      // Skips the wildcard route for preflights.
      if (url === '*') return
      let known = methods.get(url)
      if (known === undefined) {
        known = new Set()
        methods.set(url, known)
        paths.on('GET', url, () => {}, known)
      }
      for (const name of [method].flat()) known.add(name)
    })

    const methodsAt = (path: string): Set<string> | undefined => {
      const match = paths.find('GET', path)
      return match === null || hasBlank(match.params) ? undefined : (match.store as Set<string>)
    }

    app.setErrorHandler((error, request, reply) => {
      // `/v1/todos/` matches with an empty id: an unknown path, not an invalid id.
      const isNoAddress =
        (error as FastifyError | null)?.validationContext === 'params' && hasBlank(request.params as Params)
      return sendProblem(isNoAddress ? notFound(pathOf(request.url)) : toProblem(error), request, reply)
    })

    // Runs before the body is parsed: a QUERY without a Content-Type would get a 400 for an unknown path.
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (request.is404) answerNotFound(request, reply)
      else done(null, payload)
    })
    app.setNotFoundHandler(answerNotFound)

    function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
      const path = pathOf(request.url)
      const allowed = methodsAt(path)
      const problem = allowed && !allowed.has(request.method) ? notAllowed(allowed, request) : notFound(path)
      return sendProblem(problem, request, reply)
    }

    function notFound(path: string): Problem {
      if (path.endsWith('/') && methodsAt(path.slice(0, -1))) {
        return new Problem('not_found', { detail: 'This address must not end with a slash.' })
      }
      return new Problem(
        'not_found',
        app.config.DOCS ? { detail: `The addresses of this service are listed at ${docs}.` } : {},
      )
    }

    function notAllowed(allowed: Set<string>, { method, headers }: FastifyRequest): Problem {
      const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
      return new Problem('method_not_allowed', {
        headers: { allow: [...allowed].sort().join(', ') },
        ...(isPreflight && { detail: 'Pages of other origins may call this service only if CORS_ORIGINS names them.' }),
      })
    }
  },
  { name: 'problems' },
)

type Params = Record<string, string | undefined>

function hasBlank(params: Params): boolean {
  return Object.values(params).includes('')
}
