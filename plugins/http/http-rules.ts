import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { sendProblem } from '../../src/http/problem-answers.js'
import { Problem } from '../../src/problems.js'

/** What Node itself takes for an expectation that it meets. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** A name or an address, with or without a port; empty where a request is for no host (RFC 9110, section 7.2). */
const HOST = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i

/** What HTTP asks of every request. Node refuses such requests itself, with an answer that has neither headers nor a body. */
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

/** No route has a say: the tutorials' routes declare other fields for the same status. */
function refuse(code: 'malformed_request' | 'expectation_failed', request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(new Problem(code), request, reply)
}

/** Of two, Node keeps the first, and a proxy in front may have gone by the second. */
function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}
