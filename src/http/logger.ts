import { DrizzleQueryError } from 'drizzle-orm'
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import pino, { type LoggerOptions } from 'pino'
import type { Config } from '../config/config.js'
import { addressOfClient } from '../networks.js'

/** JSON lines on standard output, written aside of the requests. */
export function loggerOptions({ LOG_LEVEL }: Config): LoggerOptions & { stream: pino.DestinationStream } {
  return { level: LOG_LEVEL, stream: pino.destination({ sync: false }), serializers: { err: describeError } }
}

/** Drizzle puts the parameters of a failed statement into its message: hashes and names that no log may hold. */
function describeError(error: Error): object {
  return pino.stdSerializers.err(error instanceof DrizzleQueryError && error.cause ? error.cause : error)
}

/** One line a request, when it is answered: no query string, header or body, so what people send stays out of the log. */
export class OneLineARequest extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(_error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    reply.log.info({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      ip: addressOfClient(request),
      user_id: request.user?.userId,
      trace_id: request.trace?.id,
    })
  }
}
