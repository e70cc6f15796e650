import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { sendProblem } from '../../src/http/problem-answers.js'
import { Problem } from '../../src/problems.js'

/** The expectation that Node meets itself. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** A host name or address with an optional port. Empty is valid: the request is for no host (RFC 9110, section 7.2). */
const HOST = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i

/**
 * Enforces the HTTP rules for Host and Expect. Node would refuse such requests itself, but without our headers and
 * body.
 */
export default plugin(
  async (app) => {
    app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
    app.addHook('onRequest', (request, reply, done) => {
      const { headers, raw } = request
      // RFC 9112, section 3.2.
      const isMissing = headers.host === undefined && raw.httpVersion === '1.1'
      if (isMissing || !HOST.test(headers.host ?? '') || hasTwoHosts(raw))
        return refuse('malformed_request', request, reply)
      if (headers.expect !== undefined && !CONTINUE.test(headers.expect))
        return refuse('expectation_failed', request, reply)
      done()
    })
  },
  { name: 'http-rules' },
)

/** Skips the error handler of the route: the tutorials' routes declare other fields for the same status. */
function refuse(code: 'malformed_request' | 'expectation_failed', request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(new Problem(code), request, reply)
}

/** With two Host headers Node keeps the first, but a proxy in front may have used the second. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}
