import { AsyncLocalStorage } from 'node:async_hooks'
import { type Attributes, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { parseTraceParent, setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { type Duration, hashes, statements } from './channels.js'

/** How long a shutdown waits for a trace receiver that does not respond. */
const FLUSH_TIMEOUT_MS = 1_500

interface TracingOptions {
  /** The OTLP/HTTP endpoint. Traces are sent to `/v1/traces` below it. */
  endpoint: string
  serviceName: string
  version: string
  database: 'postgresql' | 'sqlite'
  onLost(error: unknown): void
}

/** The span of one request. */
export interface RequestTrace {
  readonly id: string
  /** Runs the work. Its statements and hashes become child spans. */
  run(work: () => void): void
  end(status: number): void
}

interface Tracing {
  /** `route` is the route pattern; undefined without a route. */
  begin(request: {
    method: string
    route: string | undefined
    scheme: string
    traceparent: string | undefined
  }): RequestTrace
  /** Sends the remaining spans, with a timeout. */
  stop(): Promise<void>
}

/** OpenTelemetry traces. Spans contain route patterns and durations, no client data. Imported only if tracing is on. */
export function startTracing({ endpoint, serviceName, version, database, onLost }: TracingOptions): Tracing {
  setGlobalErrorHandler(onLost)
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }) })],
  })
  const tracer = provider.getTracer(serviceName)
  const active = new AsyncLocalStorage<Span>()

  /**
   * Adds a child span to the span of the current request, after the operation. Operations outside requests are not
   * traced.
   */
  function addSpan(name: string, kind: SpanKind, attributes: Attributes, { seconds }: Duration): void {
    const parent = active.getStore()
    if (parent === undefined) return
    const endTime = Date.now()
    const options = { kind, attributes, startTime: endTime - seconds * 1_000 }
    tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, parent)).end(endTime)
  }

  const databaseAttributes = { 'db.system.name': database }
  const unsubscribe = [
    statements.subscribe((duration) => addSpan('database statement', SpanKind.CLIENT, databaseAttributes, duration)),
    hashes.subscribe((duration) => addSpan('password hash', SpanKind.INTERNAL, {}, duration)),
  ]

  return {
    begin({ method, route, scheme, traceparent }) {
      // Ignores tracestate: the caller controls its content, and every span would forward it.
      const parent = traceparent === undefined ? null : parseTraceParent(traceparent)
      const span = tracer.startSpan(
        route === undefined ? method : `${method} ${route}`,
        {
          kind: SpanKind.SERVER,
          attributes: {
            'http.request.method': method,
            'url.scheme': scheme,
            ...(route !== undefined && { 'http.route': route }),
          },
        },
        parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }),
      )
      return {
        id: span.spanContext().traceId,
        run: (work) => active.run(span, work),
        end(status) {
          span.setAttribute('http.response.status_code', status)
          if (status >= 500) {
            span.setAttribute('error.type', String(status)).setStatus({ code: SpanStatusCode.ERROR })
          }
          span.end()
        },
      }
    },
    async stop() {
      for (const stop of unsubscribe) stop()
      let timer: NodeJS.Timeout | undefined
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, FLUSH_TIMEOUT_MS)
      })
      await Promise.race([provider.shutdown().catch(onLost), timeout])
      clearTimeout(timer)
    },
  }
}
