import plugin from 'fastify-plugin'
import { ApiKeys } from '../src/clients/api-keys.js'

declare module 'fastify' {
  interface FastifyInstance {
    apiKeys: ApiKeys
  }
}

/** API keys of users, for their own scripts. */
export default plugin(
  async (app) => {
    const { database, dataKey, events, revocations } = app
    const apiKeys = new ApiKeys({ database, dataKey, events, revocations })
    app.decorate('apiKeys', apiKeys)
    await apiKeys.poll()
  },
  { name: 'api-keys', dependencies: ['database', 'events', 'sessions'] },
)
