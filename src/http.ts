import { randomBytes } from 'node:crypto'
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from './config.js'
import { securityHeaders } from './headers.js'
import { loggerOptions, OneLineARequest } from './logger.js'
import { matcherOf } from './networks.js'
import { PROBLEM_TYPE, sendProblem, toProblem } from './problems.js'
import { buildSerializer } from './serialization.js'
import { buildValidator } from './validation.js'

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** A client that neither sends nor reads for up to twice as long would hold its answer in memory for ever. */
const SILENCE_TIMEOUT_MS = 30_000
const TIMEOUTS_CHECKED_EVERY_MS = 2_000
/** Longer than the idle time-out of the usual load balancers (60 s), so that they never meet a closed connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000
const HEADER_BYTES = 8 * 1024
const REQUEST_ID = /^[\w.-]{8,64}$/

/** How the server listens, what it refuses before any route, and how it answers what no route sees. */
export function httpOptions(config: Config) {
  const headers = securityHeaders(config)
  return {
    logger: loggerOptions(config),
    logController: new OneLineARequest({ requestIdLogLabel: 'request_id' }),
    genReqId: makeRequestIds(),
    trustProxy: config.TRUST_PROXY.length > 0 ? matcherOf(config.TRUST_PROXY) : false,
    bodyLimit: config.BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUTS_CHECKED_EVERY_MS,
      maxHeaderSize: HEADER_BYTES,
    },
    // While closing, requests on open connections are still answered: a drain loses nobody.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    // No hook runs for an address that cannot be decoded, so the headers are set here.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(headers).header('x-request-id', request.id)
      if (request.server.drain.hasBegun) reply.header('connection', 'close')
      sendProblem(toProblem(error), request, reply)
    },
    clientErrorHandler: (error: Error, socket: Socket) => answerBrokenRequest(error, socket, headers),
  } as const satisfies FastifyHttpOptions<Server>
}

/** Ids that are unique across processes; one that a proxy in front has given is kept. */
function makeRequestIds(): (request: IncomingMessage) => string {
  const prefix = randomBytes(6).toString('base64url')
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && REQUEST_ID.test(given)) return given
    count += 1
    return `${prefix}-${count.toString(36)}`
  }
}

/** Answers what is not HTTP, came too slowly or has too large headers: there is no request yet, only a socket. */
function answerBrokenRequest(error: Error, socket: Socket, headers: Readonly<Record<string, string>>): void {
  // What came before may have been answered already, and a second answer would be taken for the next request's.
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: { headersSent: boolean } | null }
  if (!socket.writable || answer?.headersSent || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const problem = toProblem(error)
  const body = JSON.stringify(problem.toBody('none'))
  const lines = Object.entries({
    ...headers,
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`)
}
