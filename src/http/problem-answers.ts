import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Problem, type ProblemCode } from '../problems.js'
import { fieldErrors } from './validation-errors.js'

export const PROBLEM_TYPE = 'application/problem+json'

// Error codes of Fastify, its plugins and Node's HTTP parser.
const FOREIGN_CODES: Record<string, ProblemCode> = {
  FST_ERR_BAD_URL: 'malformed_url',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}

/**
 * Converts any thrown value to a Problem. An unknown error becomes internal_error, and its response contains nothing of
 * the error.
 */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof Error)) return new Problem('internal_error', { cause: error })
  // Drizzle wraps the error of the driver.
  if (error.cause instanceof Problem) return error.cause
  const { validation, validationContext = 'body', statusCode } = error as FastifyError
  // Not always a string: the code of a DOMException is a number.
  const code = String((error as FastifyError).code)
  if (validation) return new Problem('validation_failed', { errors: fieldErrors(validation, validationContext) })
  const known = FOREIGN_CODES[code]
  if (known) return new Problem(known, { cause: error })
  if (code.startsWith('HPE_')) return new Problem('malformed_request', { cause: error })
  if (statusCode === 400) return new Problem('malformed_body', { cause: error })
  return new Problem('internal_error', { cause: error })
}

/**
 * Logs a server error with its cause. Clients never see the cause. A request refused under load has none, and a flood of
 * them needs no stack traces.
 */
export function logFault(problem: Problem, { log }: FastifyRequest): void {
  const { status, code, cause } = problem
  if (status === 503 && cause === undefined) log.warn({ code })
  else if (status >= 500) log.error({ err: cause ?? problem, code })
}

/** Sends a problem response. */
export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  logFault(problem, request)
  return reply.code(problem.status).headers(problem.headers).type(PROBLEM_TYPE).send(problem.toBody(request.id))
}
