import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/** For Prometheus, and no operation of the API: only where METRICS says so, and for admins unless it says public. */
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
