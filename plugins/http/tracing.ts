import plugin from 'fastify-plugin'
import { isPostgres } from '../../src/config/database-url.js'
import { version } from '../../src/package.js'
import type { RequestTrace } from '../../src/telemetry/tracing.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined without OTEL_EXPORTER_OTLP_ENDPOINT: nothing is loaded, and no hook is added. */
    trace?: RequestTrace
  }
}

/** Creates a span per request, from before the first other hook until the response is sent. */
export default plugin(
  async (app) => {
    const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: serviceName, DATABASE_URL } = app.config
    if (endpoint === '') return

    const { startTracing } = await import('../../src/telemetry/tracing.js')
    const tracing = startTracing({
      endpoint,
      serviceName,
      version,
      database: isPostgres(DATABASE_URL) ? 'postgresql' : 'sqlite',
      onLost: (err) => app.log.warn({ err }, 'traces could not be delivered'),
    })
    app.addHook('onClose', () => tracing.stop())
    app.decorateRequest('trace')
    app.addHook('onRequest', (request, _reply, done) => {
      const { method, protocol, headers, routeOptions } = request
      const traceparent = headers.traceparent?.toString()
      request.trace = tracing.begin({
        method,
        route: routeOptions.url,
        scheme: protocol === 'https' ? 'https' : 'http',
        traceparent,
      })
      request.trace.run(done)
    })
    // Node reads a body in the async context of its connection, where the request's span is not active.
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.trace) request.trace.run(done)
      else done()
    })
    app.addHook('onResponse', (request, reply, done) => {
      request.trace?.end(reply.statusCode)
      done()
    })
  },
  { name: 'tracing' },
)
