import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify'
import { Problem, type ProblemCode } from '../problems.js'
import { isJson, parseJson, Refusal, refuseOtherMethods } from './tutorial.js'

/** The messages of Werkzeug's error pages. */
const SENTENCES: Partial<Record<ProblemCode, string>> = {
  malformed_body: 'The browser (or proxy) sent a request that this server could not understand.',
  not_found:
    'The requested URL was not found on the server. ' +
    'If you entered the URL manually please check your spelling and try again.',
  method_not_allowed: 'The method is not allowed for the requested URL.',
  body_too_large: 'The data value transmitted exceeds the capacity limit.',
  unsupported_media_type:
    "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.",
}

/** The body as Flask's `request.json`. @throws Problem unsupported_media_type, malformed_body */
export function flaskJson(request: FastifyRequest): unknown {
  if (!isJson(request)) throw new Problem('unsupported_media_type')
  return parseJson(request)
}

/** Flask's own error page for a problem; undefined if Flask has none. */
export function flaskPage({ code, status }: Problem): Refusal | undefined {
  const sentence = SENTENCES[code]
  return sentence === undefined ? undefined : new Refusal(status, { message: sentence })
}

/** Registers OPTIONS, and 405 with Allow for other methods, as Flask does for each path. */
export function flaskMethods(app: FastifyInstance, url: string, taken: HTTPMethods[]): void {
  const allow = [...taken, ...(taken.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  refuseOtherMethods(app, url, taken, new Refusal(405, { message: SENTENCES.method_not_allowed }, { allow }))
  app.options(url, { config: { public: true }, schema: { hide: true } }, async (_request, reply) =>
    reply.header('allow', allow).send(),
  )
}

/** Answers 404 for paths that resemble the tutorial's: with an extra slash, or with an id that is not a number. */
export function flaskNotFound(app: FastifyInstance, url: string): void {
  refuseOtherMethods(app, url, [], new Refusal(404, { message: SENTENCES.not_found }))
}
