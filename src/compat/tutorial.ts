import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { toProblem } from '../http/problem-answers.js'
import { Problem } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, isLongerThan, NAME_MAX_LENGTH } from '../text-lengths.js'

/** Kept text must be the same in every database: no NUL, no half of a surrogate pair. */
const UNKEEPABLE = /\0|\p{Surrogate}/u
const METHODS: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What a tutorial answers instead of what was asked for, in its own words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: object,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`refused with ${status}`)
  }
}

/** How a tutorial words a problem; undefined leaves it to the sentence of the problem itself. */
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
 * Makes a scope of one tutorial: bodies of any type arrive as bytes, for the tutorial's framework has its own idea of
 * them, and schemas only document, for its code has its own idea of what is missing.
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

/** Text that every database keeps as it is. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && !UNKEEPABLE.test(value)
}

/** A name or an address that may be looked for; what is longer or no text is nobody's, and a database may choke on it. */
export function isIdentifier(value: unknown): value is string {
  return isText(value) && !isLongerThan(IDENTIFIER_MAX_LENGTH, value)
}

/** A name or an address that somebody may sign up with. */
export function isName(value: unknown): value is string {
  return isText(value) && value !== '' && !isLongerThan(NAME_MAX_LENGTH, value)
}
