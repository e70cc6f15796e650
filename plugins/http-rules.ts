import plugin from 'fastify-plugin'
import { Problem } from '../src/problems.js'

/** What Node itself takes for an expectation that it meets. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** What HTTP asks of every request. Node refuses such requests itself, with an answer that has neither headers nor a body. */
export default plugin(
  async (app) => {
    app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
    app.addHook('onRequest', ({ headers, raw }, _reply, done) => {
      // RFC 9112, section 3.2.
      if (headers.host === undefined && raw.httpVersion === '1.1') return done(new Problem('malformed_request'))
      if (headers.expect !== undefined && !CONTINUE.test(headers.expect)) return done(new Problem('expectation_failed'))
      done()
    })
  },
  { name: 'http-rules' },
)
