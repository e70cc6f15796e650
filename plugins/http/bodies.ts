import type { IncomingHttpHeaders } from 'node:http'
import { errorCodes } from 'fastify'
import plugin from 'fastify-plugin'
import { jsonFault } from '../../src/http/json-faults.js'
import { lingerIfUnread } from '../../src/http/lingering-close.js'
import { Problem } from '../../src/problems.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Reads bodies of any Content-Type by itself, as the tutorials' frameworks do. */
    anyBody?: true
  }
}

const MEDIA_TYPE = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/

/**
 * JSON and nothing else, unless a route's own scope says otherwise. A body of no bytes is no body, whatever its type:
 * many clients send their default Content-Type with a call that has none.
 */
export default plugin(
  async (app) => {
    const { FST_ERR_CTP_INVALID_MEDIA_TYPE } = errorCodes
    const parseJson = app.getDefaultJsonParser('error', 'error')
    app.removeAllContentTypeParsers()
    app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, undefined)
      else parseJson(request, body, (error, value) => (error ? done(malformed(body, error)) : done(null, value)))
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

/** Takes away a Content-Type that describes nothing; of chunks it is known only at their end whether there are any. */
function dropIdleType(headers: IncomingHttpHeaders): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding, 'content-type': type = '' } = headers
  if (encoding === undefined && Number(length) === 0) delete headers['content-type']
  // Fastify refuses a type that is none before it has read a byte.
  else if (encoding !== undefined && !MEDIA_TYPE.test(type)) headers['content-type'] = 'application/octet-stream'
}

/** Says where the text stops being JSON. JSON.parse accepts what is refused for the names of its fields alone. */
function malformed(body: string, cause: Error): Problem {
  const detail =
    jsonFault(body.replace(/^\ufeff/, '')) ?? 'A field is named __proto__, or constructor with a prototype.'
  return new Problem('malformed_body', { detail, cause })
}
