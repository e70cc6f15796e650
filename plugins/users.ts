import plugin from 'fastify-plugin'
import { Users } from '../src/users.js'

declare module 'fastify' {
  interface FastifyInstance {
    users: Users
  }
}

/** Accounts as they are kept, changed and deleted. */
export default plugin(
  async (app) => {
    const { database, sessions, events } = app
    app.decorate('users', new Users({ database, sessions, events }))
  },
  { name: 'users', dependencies: ['database', 'sessions', 'events'] },
)
