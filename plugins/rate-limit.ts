import rateLimit from '@fastify/rate-limit'
import plugin from 'fastify-plugin'
import { networkKey } from '../src/networks.js'
import { Problem } from '../src/problems.js'

/** RATE_LIMIT a minute and network, on the routes that say `rateLimit: {}`: the public ones that take credentials. */
export default plugin(
  async (app) => {
    const max = app.config.RATE_LIMIT
    if (max === undefined) return
    app.addHook('onRoute', ({ config }) => {
      // One budget for all these doors, or a guesser would go from door to door.
      if (config?.rateLimit) config.rateLimit = { groupId: 'credentials' }
    })
    await app.register(rateLimit, {
      global: false,
      max,
      timeWindow: '1 minute',
      keyGenerator: ({ ip }) => networkKey(ip),
      errorResponseBuilder: () => new Problem('rate_limited'),
    })
  },
  { name: 'rate-limit' },
)
