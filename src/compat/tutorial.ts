import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { toProblem } from '../http/problem-answers.js'
import { Problem } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, isLongerThan, NAME_MAX_LENGTH } from '../text-lengths.js'

/** Characters that not every database stores unchanged: NUL, and half of a surrogate pair. */
const UNKEEPABLE = /\0|\p{Surrogate}/u
const METHODS: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** An error in the tutorial's own words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: object,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`refused with ${status}`)
  }
}

/** A tutorial's wording of a problem; undefined keeps the sentence of the problem itself. */
export type Wording = (problem: Problem, request: FastifyRequest) => Refusal | undefined

/** An error handler that answers under the key of this tutorial's errors. */
export function answerErrors(key: 'msg' | 'message' | 'detail', wording: Wording = () => undefined) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, body, headers } = error instanceof Refusal ? error : refusalOf(toProblem(error), request)
    return reply.code(status).headers(headers).send(body)
  }

  function refusalOf(problem: Problem, request: FastifyRequest): Refusal {
    if (problem.status >= 500) request.log.error({ err: problem.cause ?? problem, code: problem.code })
    const { 'retry-after': wait } = problem.headers
    const headers = wait === undefined ? {} : { 'retry-after': wait }
    return wording(problem, request) ?? new Refusal(problem.status, { [key]: problem.message }, headers)
  }
}

/**
 * Sets a Fastify scope up for one tutorial. Bodies of any type arrive as bytes, because the tutorial's framework parses them
 * by its own rules; schemas only document, because the tutorial's code validates by its own rules.
 */
export function standInFor(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setValidatorCompiler(() => () => true)
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, anyBody: true }
  })
}

/** Answers the methods that a path has not, as routing does there: with or without a token, whatever the body. */
export function refuseOtherMethods(app: FastifyInstance, url: string, taken: HTTPMethods[], refusal: Refusal): void {
  app.route({
    method: METHODS.filter((method) => !taken.includes(method)),
    url,
    config: { public: true },
    schema: { hide: true },
    onRequest: (_request, _reply, done) => done(refusal),
    handler: () => {
      throw refusal
    },
  })
}

/** Whether the request says that its body is JSON. */
export function isJson({ headers }: FastifyRequest): boolean {
  return /^application\/([^;\s]+\+)?json\s*(;|$)/i.test(headers['content-type'] ?? '')
}

/** The body as JSON, whatever its type says. @throws Problem malformed_body */
export function parseJson({ body }: FastifyRequest): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(body)))
  } catch (cause) {
    throw new Problem('malformed_body', { cause })
  }
}

/** The bytes of a body as `standInFor` lets them through; none when there was no body. */
export function bytesOf(body: unknown): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** The fields of a JSON object; undefined for any other JSON. */
export function fieldsOf(json: unknown): Record<string, unknown> | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json } : undefined
}

/** Whether the value is text that every database stores unchanged. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && !UNKEEPABLE.test(value)
}

/** Whether a name or an address may be looked up. Longer text, or text that a database refuses, is nobody's. */
export function isIdentifier(value: unknown): value is string {
  return isText(value) && !isLongerThan(IDENTIFIER_MAX_LENGTH, value)
}

/** Whether somebody may sign up with this name or address. */
export function isName(value: unknown): value is string {
  return isText(value) && value !== '' && !isLongerThan(NAME_MAX_LENGTH, value)
}
