import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import findMyWay from 'find-my-way'
import { Problem, sendProblem, toProblem } from '../src/problems.js'

/** Answers every error, 404 and 405 as problem+json, and nothing of a bug but its request id. */
export default plugin(
  async (app) => {
    // A second router that knows each path once, to tell a path that is not there from a method that is not.
    const paths = findMyWay({ ignoreTrailingSlash: false })
    const methods = new Map<string, Set<string>>()

    app.addHook('onRoute', ({ url, method }) => {
      // The answer to any preflight is no address.
      if (url === '*') return
      let known = methods.get(url)
      if (known === undefined) {
        known = new Set()
        methods.set(url, known)
        paths.on('GET', url, () => {}, known)
      }
      for (const name of [method].flat()) known.add(name)
    })

    app.setErrorHandler((error, request, reply) => sendProblem(toProblem(error), request, reply))

    // Before the body is looked at: a QUERY without a Content-Type would be 400 at an address that does not exist.
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (request.is404) answerNotFound(request, reply)
      else done(null, payload)
    })
    app.setNotFoundHandler(answerNotFound)

    function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
      const match = paths.find('GET', pathOf(request.url))
      const allowed = match?.store as Set<string> | undefined
      const problem =
        allowed && !allowed.has(request.method)
          ? new Problem('method_not_allowed', { headers: { allow: [...allowed].sort().join(', ') } })
          : new Problem('not_found')
      return sendProblem(problem, request, reply)
    }
  },
  { name: 'problems' },
)

function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end)
}
