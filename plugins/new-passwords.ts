import plugin from 'fastify-plugin'
import { NewPasswords } from '../src/new-passwords.js'

declare module 'fastify' {
  interface FastifyInstance {
    newPasswords: NewPasswords
  }
}

/** How a password is changed, reset and overwritten. */
export default plugin(
  async (app) => {
    const { database, sessions, throttle, events, users } = app
    app.decorate('newPasswords', new NewPasswords({ database, sessions, throttle, events, resets: users.resets }))
  },
  { name: 'new-passwords', dependencies: ['database', 'sessions', 'accounts', 'events', 'users'] },
)
