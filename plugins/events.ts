import plugin from 'fastify-plugin'
import { Events } from '../src/audit/events.js'

declare module 'fastify' {
  interface FastifyInstance {
    events: Events
  }
}

/** The audit log. */
export default plugin(
  async (app) => {
    app.decorate('events', new Events(app.database, app.config))
  },
  { name: 'events', dependencies: ['database'] },
)
