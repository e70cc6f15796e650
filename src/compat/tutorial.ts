import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { toProblem } from '../http/problem-answers.js'
import { Problem } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, isLongerThan, NAME_MAX_LENGTH } from '../text-lengths.js'

/** Characters that some databases reject or change: NUL, and half of a surrogate pair. */
const UNKEEPABLE = /\0|\p{Surrogate}/u
const METHODS: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** An error with the tutorial's own body. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: object,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`refused with ${status}`)
  }
}

/** Translates a problem into a tutorial's error; undefined uses the problem's message. */
export type Wording = (problem: Problem, request: FastifyRequest) => Refusal | undefined

/** An error handler that sends messages under the key that this tutorial uses. */
export function answerErrors(key: 'msg' | 'message' | 'detail', wording: Wording) {
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
 * Sets up a Fastify scope for one tutorial. Bodies of any type arrive as bytes, because the tutorial's framework has
 * its own rules for parsing; schemas only document, because the tutorial's code has its own rules for validation.
 */
export function standInFor(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setValidatorCompiler(() => () => true)
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, anyBody: true }
  })
}

/**
 * Refuses the methods that a path does not have. Like the tutorial's router, does so before it looks at the token and
 * the body.
 */
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

/** Whether the Content-Type is JSON. */
export function isJson({ headers }: FastifyRequest): boolean {
  return /^application\/([^;\s]+\+)?json\s*(;|$)/i.test(headers['content-type'] ?? '')
}

/** The body as JSON, whatever the Content-Type is. @throws Problem malformed_body */
export function parseJson({ body }: FastifyRequest): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(body)))
  } catch (cause) {
    throw new Problem('malformed_body', { cause })
  }
}

/** The bytes of a body in a scope of `standInFor`; empty without a body. */
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

/** Whether a name or an address can be looked up. No account has a longer one, or one that a database rejects. */
export function isIdentifier(value: unknown): value is string {
  return isText(value) && !isLongerThan(IDENTIFIER_MAX_LENGTH, value)
}

/** Whether a new account may have this name or address. */
export function isName(value: unknown): value is string {
  return isText(value) && value !== '' && !isLongerThan(NAME_MAX_LENGTH, value)
}
