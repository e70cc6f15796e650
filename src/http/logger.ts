import { DrizzleQueryError } from 'drizzle-orm'
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import pino, { type LoggerOptions } from 'pino'
import type { Config } from '../config/config.js'
import { addressOfClient } from '../networks.js'
import { print } from '../terminal.js'

/** Fields that the text format omits or shows elsewhere. */
const LEFT_OUT = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err', 'method', 'route', 'status', 'ms'])

/** Further lines are dropped. */
const UNWRITTEN_BYTES = 16 * 1024 ** 2

/**
 * Logger options: JSON for programs, readable text for a terminal. JSON is written to standard output asynchronously.
 */
export function loggerOptions({ LOG_LEVEL, LOG_FORMAT }: Config): LoggerOptions & { stream: pino.DestinationStream } {
  const isText = LOG_FORMAT === 'text' || (LOG_FORMAT === 'auto' && process.stdout.isTTY)
  const stream = isText ? { write: printReadable } : standardOutput()
  return { level: LOG_LEVEL, stream, serializers: { err: describeError } }
}

/** Standard output, which may be a file on a full disk: the service goes on without a log, and logs again once it can. */
function standardOutput(): pino.DestinationStream {
  const stream = pino.destination({ sync: false, maxLength: UNWRITTEN_BYTES })
  const { flushSync } = stream
  stream.on('error', () => {
    // At the end of the process it would try again for ever.
    stream.flushSync = () => undefined
  })
  stream.on('drain', () => {
    stream.flushSync = flushSync
  })
  return stream
}

function printReadable(line: string): void {
  print(...readableLines(JSON.parse(line)))
}

/**
 * Formats a log record as text: `12:04:05.123 info  POST /v1/login 200 31.2 ms  ip=::1`, then the stack of an error.
 */
export function readableLines({ time, level, msg, err, ...record }: Record<string, unknown>): string[] {
  const { method, route, status, ms } = record
  const subject = method === undefined ? msg : `${method} ${route ?? '(no route)'} ${status} ${ms} ms`
  const details = Object.entries(record)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  // Local time.
  const at = new Date(Number(time)).toTimeString().slice(0, 8)
  const milliseconds = String(Number(time) % 1_000).padStart(3, '0')
  const name = (pino.levels.labels[Number(level)] ?? String(level)).padEnd(5)
  const stack = (err as Error | undefined)?.stack?.split('\n') ?? []
  return [
    [`${at}.${milliseconds} ${name} ${subject ?? ''}`, ...details].join('  '),
    ...stack.map((line) => `  ${line}`),
  ]
}

/**
 * Logs the cause of a Drizzle error instead: Drizzle puts the parameters of a failed statement (hashes, names) into the
 * message.
 */
function describeError(error: Error): object {
  return pino.stdSerializers.err(error instanceof DrizzleQueryError && error.cause ? error.cause : error)
}

/**
 * Logs one line per request, after the response: no query string, headers or body, so that personal data stay out of
 * the log.
 */
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
