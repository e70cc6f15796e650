import plugin from 'fastify-plugin'
import { NewPasswords } from '../src/accounts/new-passwords.js'

declare module 'fastify' {
  interface FastifyInstance {
    newPasswords: NewPasswords
  }
}

/** How a password is changed, reset and overwritten. */
export default plugin(
  async (app) => {
    const { database, sessions, events, users } = app
    app.decorate('newPasswords', new NewPasswords({ database, sessions, events, resets: users.resets }))
  },
  { name: 'new-passwords', dependencies: ['database', 'sessions', 'events', 'users'] },
)
