import { createServer } from 'node:http'
import plugin from 'fastify-plugin'
import { firstAddress, listenOnIpv6, secondServer } from '../src/http/loopback.js'
import type { Metrics } from '../src/telemetry/metrics.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined if METRICS is off and METRICS_PORT is not set: nothing is counted, and no hook is added. */
    metrics: Metrics | undefined
  }
}

const READS = new Set(['GET', 'HEAD'])

/** Collects metrics and serves them on METRICS_PORT if set. routes/metrics.ts serves them on the main port. */
export default plugin(
  async (app) => {
    const { METRICS, METRICS_PORT, HOST } = app.config
    if (METRICS === 'off' && METRICS_PORT === undefined) return void app.decorate('metrics', undefined)

    const { startMetrics } = await import('../src/telemetry/metrics.js')
    const metrics = startMetrics({
      waitingHashes: () => app.passwords.waiting,
      revocationLagMs: () => app.revocations.lagMs,
    })
    app.decorate('metrics', metrics)
    app.addHook('onClose', async () => metrics.stop())
    app.addHook('onResponse', (request, reply, done) => {
      // The pattern of the route, not the URL: clients could make up any number of URLs.
      const route = request.routeOptions.url ?? 'none'
      metrics.answered({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000)
      done()
    })

    if (METRICS_PORT === undefined) return
    const server = createServer(async ({ method, url }, response) => {
      if (!READS.has(method ?? '') || url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end()
      response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text())
    })
    const second = secondServer(server)
    app.addHook('onReady', async () => {
      await new Promise<void>((resolve, reject) => {
        server.once('error', (error) => reject(Object.assign(error, { setting: 'METRICS_PORT' })))
        server.listen(METRICS_PORT, firstAddress(HOST), resolve)
      })
      if (HOST === 'localhost') await listenOnIpv6(second, server, app.log)
      app.log.info({ address: server.address() }, 'metrics are served')
    })
    app.addHook('onClose', async () => {
      second.close()
      server.close()
      server.closeAllConnections()
    })
  },
  { name: 'metrics', dependencies: ['accounts', 'sessions'] },
)
