import plugin from 'fastify-plugin'
import { Clients } from '../src/clients/clients.js'
import { KnownClients } from '../src/clients/known-clients.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Registers and changes clients. */
    clients: Clients
    /** An in-memory copy of the clients. */
    knownClients: KnownClients
  }
}

/** OAuth clients: services and applications with their own identity. */
export default plugin(
  async (app) => {
    const { config, database, events } = app
    const known = new KnownClients(database)
    app.decorate('knownClients', known)
    app.decorate('clients', new Clients({ config, database, events, known }))
    await known.poll()
  },
  { name: 'clients', dependencies: ['database', 'events'] },
)
