import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/**
 * Metrics for Prometheus, not an operation of the API. Served if METRICS is not off; for admins, unless METRICS is
 * public.
 */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { metrics, config } = app
  if (metrics === undefined || config.METRICS === 'off') return

  app.get('/metrics', {
    config: config.METRICS === 'public' ? { public: true } : { role: 'admin' },
    schema: { hide: true },
    handler: async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  })
}

export default routes
