import type { FastifyInstance } from 'fastify'
import plugin from 'fastify-plugin'
import { AccountAccess } from '../src/accounts/account-access.js'
import { Accounts } from '../src/accounts/accounts.js'
import { Addresses } from '../src/accounts/addresses.js'
import { Administration } from '../src/accounts/administration.js'
import { CodeLogIn } from '../src/accounts/code-log-in.js'
import { EnrollmentTickets } from '../src/accounts/enrollment-tickets.js'
import { Enrollments } from '../src/accounts/enrollments.js'
import { FactorChecks } from '../src/accounts/factor-checks.js'
import { Invitations } from '../src/accounts/invitations.js'
import { LogIn } from '../src/accounts/log-in.js'
import { LoginTickets } from '../src/accounts/login-tickets.js'
import { NewPasswords } from '../src/accounts/new-passwords.js'
import { PasskeyLogIn } from '../src/accounts/passkey-log-in.js'
import { PasswordChecks } from '../src/accounts/password-checks.js'
import { Profiles } from '../src/accounts/profiles.js'
import { Registration } from '../src/accounts/registration.js'
import { SecondFactors } from '../src/accounts/second-factors.js'
import { SignUpCheck } from '../src/accounts/sign-up-check.js'
import { StepUp } from '../src/accounts/step-up.js'
import { Throttle } from '../src/accounts/throttle.js'
import { passkeysNotice } from '../src/config/passkeys.js'
import { Factors } from '../src/factors/factors.js'
import { Passkeys } from '../src/factors/passkeys.js'
import { Passwords } from '../src/passwords/passwords.js'
import { PasswordRules } from '../src/passwords/rules.js'

declare module 'fastify' {
  interface FastifyInstance {
    registration: Registration
    logIn: LogIn
    codeLogIn: CodeLogIn
    stepUp: StepUp
    accounts: Accounts
    emailAddresses: Addresses
    invitations: Invitations
    profiles: Profiles
    administration: Administration
    factors: Factors
    passkeys: Passkeys
    passkeyLogIn: PasskeyLogIn
    secondFactors: SecondFactors
    enrollments: Enrollments
    newPasswords: NewPasswords
    passwords: Passwords
    throttle: Throttle
  }
}

/** Registration, log-in, accounts and passwords, with the hash queue and the log-in throttle. */
export default plugin(
  async (app) => {
    const {
      config,
      database,
      events,
      freshTokens,
      refusals,
      knownNetworks,
      mail,
      oneTimeTokens,
      secret,
      sessions,
      apiKeys,
      dataKey,
    } = app
    const notices = mail.outbox
    const passwords = new Passwords(config, { deadlineMs: app.timeouts.hashMs })
    const rules = new PasswordRules(config)
    const throttle = new Throttle({ database, known: knownNetworks, refusals, secret })
    const access = new AccountAccess({ database, sessions, apiKeys, oneTimeTokens })
    const accounts = new Accounts({ database, secret, access, events })
    const checks = new PasswordChecks({ config, database, accounts, passwords, throttle, events })
    const passkeys = new Passkeys({ config, database, dataKey, secret, events })
    const factors = new Factors(database, dataKey, passkeys)
    const factorChecks = new FactorChecks({ config, database, factors, throttle, events, notices })
    const tickets = new LoginTickets(secret)
    app.decorate('factors', factors)
    app.decorate('passkeys', passkeys)
    app.decorate('passkeyLogIn', new PasskeyLogIn({ accounts, factors, passkeys, tickets, events }))
    app.addHook('onListen', () => warnOfPasskeys(app))
    const secondFactors = new SecondFactors({ config, database, factors, passkeys, access, events, notices })
    app.decorate('secondFactors', secondFactors)
    app.decorate('passwords', passwords)
    app.decorate('throttle', throttle)
    app.decorate('accounts', accounts)
    app.decorate(
      'registration',
      new Registration({ config, database, passwords, rules, events, notices, signUpCheck: new SignUpCheck(config) }),
    )
    const enrollments = new Enrollments({
      config,
      database,
      accounts,
      factors,
      passkeys,
      factorChecks,
      secondFactors,
      oneTimeTokens,
      events,
      notices,
      tickets: new EnrollmentTickets(secret),
    })
    app.decorate('enrollments', enrollments)
    const logIn = new LogIn({ config, database, accounts, checks, factorChecks, tickets, enrollments, events })
    app.decorate('logIn', logIn)
    app.decorate('codeLogIn', new CodeLogIn({ config, database, oneTimeTokens, logIn, events }))
    app.decorate('stepUp', new StepUp({ accounts, logIn, factorChecks, freshTokens }))
    app.decorate('profiles', new Profiles({ database, events, notices, oneTimeTokens }))
    app.decorate('administration', new Administration({ database, access, events, oneTimeTokens, notices }))
    const ofPasswords = { database, passwords, rules, access, events, oneTimeTokens, notices, factorChecks }
    const newPasswords = new NewPasswords(ofPasswords)
    app.decorate('newPasswords', newPasswords)
    app.decorate('emailAddresses', new Addresses({ config, database, access, oneTimeTokens, events, notices }))
    app.decorate('invitations', new Invitations({ database, oneTimeTokens, newPasswords, events, notices }))
  },
  { name: 'accounts', dependencies: ['database', 'events', 'sessions', 'api-keys', 'mail'] },
)

/** Logs why passkeys cannot be added, or that passkeys of another RP_ID no longer work. */
async function warnOfPasskeys({ config, passkeys, log }: FastifyInstance): Promise<void> {
  const notice = passkeysNotice(config)
  if (notice !== undefined) log.warn(notice)
  const orphans = await passkeys.countOrphans()
  if (orphans > 0)
    log.warn(
      `${orphans} passkeys belong to another RP_ID than ${config.RP_ID || '(none)'} and cannot be used with this one`,
    )
}
