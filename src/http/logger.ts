import { DrizzleQueryError } from 'drizzle-orm'
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import pino, { type LoggerOptions } from 'pino'
import type { Config } from '../config/config.js'
import { addressOfClient } from '../networks.js'
import { print } from '../terminal.js'

/** What each line of JSON holds and a person at a terminal does not need. */
const LEFT_OUT = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err', 'method', 'route', 'status', 'ms'])

/** Lines on standard output, written aside of the requests: JSON for programs, text for people. */
export function loggerOptions({ LOG_LEVEL, LOG_FORMAT }: Config): LoggerOptions & { stream: pino.DestinationStream } {
  const isText = LOG_FORMAT === 'text' || (LOG_FORMAT === 'auto' && process.stdout.isTTY)
  const stream = isText ? { write: printReadable } : pino.destination({ sync: false })
  return { level: LOG_LEVEL, stream, serializers: { err: describeError } }
}

function printReadable(line: string): void {
  print(...readableLines(JSON.parse(line)))
}

/** A record of the log as lines for people: `12:04:05.123 info  POST /v1/login 200 31.2 ms  ip=::1`, and an error's stack. */
export function readableLines({ time, level, msg, err, ...record }: Record<string, unknown>): string[] {
  const { method, route, status, ms } = record
  const subject = method === undefined ? msg : `${method} ${route ?? '(no route)'} ${status} ${ms} ms`
  const details = Object.entries(record)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  // Local time, as the clock on the wall has it.
  const at = new Date(Number(time)).toTimeString().slice(0, 8)
  const milliseconds = String(Number(time) % 1_000).padStart(3, '0')
  const name = (pino.levels.labels[Number(level)] ?? String(level)).padEnd(5)
  const stack = (err as Error | undefined)?.stack?.split('\n') ?? []
  return [
    [`${at}.${milliseconds} ${name} ${subject ?? ''}`, ...details].join('  '),
    ...stack.map((line) => `  ${line}`),
  ]
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
