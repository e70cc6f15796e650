import plugin from 'fastify-plugin'
import { Users } from '../src/accounts/accounts.js'
import { Accounts } from '../src/accounts/log-in.js'
import { NewPasswords } from '../src/accounts/new-passwords.js'
import { PasswordResets } from '../src/accounts/password-resets.js'
import { Throttle } from '../src/accounts/throttle.js'
import { Passwords } from '../src/passwords/passwords.js'
import { PasswordRules } from '../src/passwords/rules.js'

declare module 'fastify' {
  interface FastifyInstance {
    accounts: Accounts
    users: Users
    newPasswords: NewPasswords
    passwords: Passwords
    throttle: Throttle
  }
}

/** People: how they register and log in, their accounts and their passwords, with the hash queue and the log-in throttle. */
export default plugin(
  async (app) => {
    const { config, database, events, refusals, knownNetworks, mail, secret, sessions } = app
    const passwords = new Passwords(config)
    const rules = new PasswordRules(config)
    const throttle = new Throttle({ database, known: knownNetworks, refusals, secret })
    const resets = new PasswordResets(database)
    app.decorate('passwords', passwords)
    app.decorate('throttle', throttle)
    app.decorate('accounts', new Accounts({ config, database, passwords, rules, throttle, events }))
    app.decorate('users', new Users({ database, secret, sessions, events, resets, notices: mail.outbox }))
    app.decorate('newPasswords', new NewPasswords({ database, sessions, events, resets, notices: mail.outbox }))
  },
  { name: 'accounts', dependencies: ['database', 'events', 'sessions', 'mail'] },
)
