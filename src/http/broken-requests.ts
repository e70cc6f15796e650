import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Config } from '../config/config.js'
import { Problem } from '../problems.js'
import { corsHeaders } from './cors.js'
import { lingeringClose } from './lingering-close.js'
import { PROBLEM_TYPE, toProblem } from './problem-answers.js'
import { securityHeaders } from './security-headers.js'

const ORIGIN = /^origin:[ \t]*(\S+)[ \t]*\r?$/im

type ClientError = Error & { code?: string; rawPacket?: unknown }

/**
 * Responses written directly to the socket: for malformed or slow requests, for headers that are too large, and for
 * CONNECT.
 */
export class BrokenRequests {
  readonly #headers: Readonly<Record<string, string>>
  readonly #cors: ReturnType<typeof corsHeaders>

  constructor(config: Config) {
    this.#headers = securityHeaders(config)
    this.#cors = corsHeaders(config)
  }

  /** Responds to an error of Node's HTTP parser: there is no request, only the packet that could not be parsed. */
  answer(error: ClientError, socket: Socket): void {
    // If response headers were already sent on the connection, the client would take another response for the answer to
    // its next request.
    const { _httpMessage: answer } = socket as Socket & { _httpMessage?: { headersSent: boolean } | null }
    if (!socket.writable || answer?.headersSent || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const packet = Buffer.isBuffer(error.rawPacket) ? error.rawPacket.toString('latin1') : ''
    this.#send(toProblem(error), socket, ORIGIN.exec(packet)?.[1])
  }

  /** Refuses CONNECT. Without a listener Node would close the socket without a response. */
  refuseTunnel({ headers }: IncomingMessage, socket: Socket): void {
    socket.on('error', () => socket.destroy())
    this.#send(new Problem('method_not_allowed', { headers: { allow: '' } }), socket, headers.origin)
  }

  #send(problem: Problem, socket: Socket, origin: string | undefined): void {
    const body = JSON.stringify(problem.toBody('none'))
    const lines = Object.entries({
      ...this.#headers,
      ...this.#cors(origin),
      ...problem.headers,
      'content-type': PROBLEM_TYPE,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`)
    lingeringClose(socket)
  }
}
