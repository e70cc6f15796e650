import type { Server } from 'node:http'
import type { FastifyHttpOptions, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.js'
import { matcherOf } from '../networks.js'
import type { BrokenRequests } from './broken-requests.js'
import { corsHeaders } from './cors.js'
import { lingerIfUnread } from './lingering-close.js'
import { loggerOptions, OneLineARequest } from './logger.js'
import { sendProblem, toProblem } from './problem-answers.js'
import { makeRequestIds } from './request-ids.js'
import { securityHeaders } from './security-headers.js'
import { buildSerializer } from './serialization.js'
import { buildValidator } from './validation.js'

const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** Closes a socket on which nothing moved for this long (Node checks at up to twice the interval). */
const SILENCE_TIMEOUT_MS = 30_000
const TIMEOUTS_CHECKED_EVERY_MS = 2_000
/**
 * Longer than the idle timeout of common load balancers (60 s), so that they never send a request on a closed
 * connection.
 */
const KEEP_ALIVE_TIMEOUT_MS = 72_000
const HEADER_BYTES = 8 * 1024

/** The server options: limits, and responses to requests that reach no route. */
export function httpOptions(config: Config, brokenRequests: BrokenRequests) {
  const headers = securityHeaders(config)
  const cors = corsHeaders(config)
  return {
    logger: loggerOptions(config),
    logController: new OneLineARequest({ requestIdLogLabel: 'request_id' }),
    genReqId: makeRequestIds(config),
    trustProxy: config.TRUST_PROXY.length > 0 ? matcherOf(config.TRUST_PROXY) : false,
    bodyLimit: config.BODY_LIMIT,
    // No timeout for plugins: opening the database may wait for a server or a migration, and has its own limits and
    // errors.
    pluginTimeout: 0,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUTS_CHECKED_EVERY_MS,
      maxHeaderSize: HEADER_BYTES,
      // Node's own response has no body and no headers: plugins/http/http-rules.ts responds instead.
      requireHostHeader: false,
    },
    // During a drain, open connections still get responses.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    schemaController: { compilersFactory: { buildValidator, buildSerializer } },
    // No hook runs for a URL that cannot be decoded, so the headers are set here.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(headers).headers(cors(request.headers.origin)).header('x-request-id', request.id)
      lingerIfUnread(request, reply, config.BODY_LIMIT)
      if (request.server.drain.hasBegun) reply.header('connection', 'close')
      sendProblem(toProblem(error), request, reply)
    },
    clientErrorHandler: (error, socket) => brokenRequests.answer(error, socket),
  } as const satisfies FastifyHttpOptions<Server>
}
