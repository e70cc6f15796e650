import plugin from 'fastify-plugin'
import { Accounts } from '../src/accounts/log-in.js'
import { Throttle } from '../src/accounts/throttle.js'
import { Passwords } from '../src/passwords/passwords.js'
import { PasswordRules } from '../src/passwords/rules.js'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: Accounts
    passwords: Passwords
    throttle: Throttle
  }
}

/** People: registration and proof of who they are, with the hash queue and the budget of failed log-ins. */
export default plugin(
  async (app) => {
    const { config, database, events, knownNetworks, secret } = app
    const passwords = new Passwords(config)
    const rules = new PasswordRules(config)
    const throttle = new Throttle(database, knownNetworks, secret)
    app.decorate('passwords', passwords)
    app.decorate('throttle', throttle)
    app.decorate('accounts', new Accounts({ config, database, passwords, rules, throttle, events }))
  },
  { name: 'accounts', dependencies: ['database', 'secret', 'events', 'known-networks'] },
)
