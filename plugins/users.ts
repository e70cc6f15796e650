import plugin from 'fastify-plugin'
import { Users } from '../src/accounts/accounts.js'
import { PasswordResets } from '../src/accounts/password-resets.js'

declare module 'fastify' {
  interface FastifyInstance {
    users: Users
  }
}

/** Accounts as they are kept, changed and deleted. */
export default plugin(
  async (app) => {
    const { database, secret, sessions, events } = app
    app.decorate('users', new Users({ database, secret, sessions, events, resets: new PasswordResets(database) }))
  },
  { name: 'users', dependencies: ['database', 'secret', 'sessions', 'events'] },
)
