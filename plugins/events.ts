import plugin from 'fastify-plugin'
import { Events } from '../src/audit/events.js'
import { Refusals } from '../src/audit/refusals.js'

declare module 'fastify' {
  interface FastifyInstance {
    events: Events
    refusals: Refusals
  }
}

/** The audit log. */
export default plugin(
  async (app) => {
    const events = new Events(app.database, app.config)
    app.decorate('events', events)
    const onLost = (notice: string, err?: unknown) => app.log.warn({ err }, notice)
    app.decorate('refusals', new Refusals({ events, onLost }))
  },
  { name: 'events', dependencies: ['database'] },
)
