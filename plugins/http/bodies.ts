import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { errorCodes } from 'fastify'
import plugin from 'fastify-plugin'
import { jsonFault } from '../../src/http/json-faults.js'
import { lingerIfUnread } from '../../src/http/lingering-close.js'
import { Problem } from '../../src/problems.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route parses bodies of any Content-Type itself, like the frameworks of the tutorials. */
    anyBody?: true
  }
}

const MEDIA_TYPE = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/

/**
 * Accepts only JSON, unless a route scope adds its own parser. An empty body counts as no body, whatever its type: many
 * clients send a default Content-Type with requests that have no body.
 */
export default plugin(
  async (app) => {
    const { FST_ERR_CTP_INVALID_MEDIA_TYPE } = errorCodes
    const parseJson = app.getDefaultJsonParser('error', 'error')
    app.removeAllContentTypeParsers()
    app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
      if (bytes.length === 0) return done(null, undefined)
      if (!isUtf8(bytes))
        return done(
          new Problem('malformed_body', { detail: 'The body is not UTF-8 text. Send it without compression.' }),
        )
      const body = bytes.toString()
      parseJson(request, body, (error, value) => (error ? done(malformed(body, error)) : done(null, value)))
    })
    app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, body, done) => {
      if (body.length === 0) done(null, undefined)
      else done(new FST_ERR_CTP_INVALID_MEDIA_TYPE(), undefined)
    })

    app.addHook('onRequest', ({ headers, routeOptions }, _reply, done) => {
      if (headers['content-type'] !== undefined && !routeOptions.config.anyBody) dropIdleType(headers)
      done()
    })

    app.addHook('onSend', (request, reply, _payload, done) => {
      if (!request.raw.complete) lingerIfUnread(request, reply, app.config.BODY_LIMIT)
      done()
    })
  },
  { name: 'bodies' },
)

/**
 * Removes the Content-Type of an empty body. A chunked body is known to be empty only at its end, so its type stays.
 */
function dropIdleType(headers: IncomingHttpHeaders): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding, 'content-type': type = '' } = headers
  if (encoding === undefined && Number(length) === 0) delete headers['content-type']
  // Fastify refuses an invalid media type before it reads the body.
  else if (encoding !== undefined && !MEDIA_TYPE.test(type)) headers['content-type'] = 'application/octet-stream'
}

/** Names the position of the syntax error. If the text is valid JSON, the parser refused a field name. */
function malformed(body: string, cause: Error): Problem {
  const detail =
    jsonFault(body.replace(/^\ufeff/, '')) ?? 'A field is named __proto__, or constructor with a prototype.'
  return new Problem('malformed_body', { detail, cause })
}
