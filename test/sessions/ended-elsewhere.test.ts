import { randomUUID } from 'node:crypto'
import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { addTotp } from '../factors/people.js'
import { claimsOf, PASSWORD, type Person, type Service, startService } from '../helper.js'
import { registerClient } from '../support/oauth.js'
import { signUpAdmin } from '../support/people.js'
import { startSecond } from '../support/replica.js'

t.setTimeout(120_000)

const CLIENT = { client_name: 'x', scope: 'users:write', grant_types: ['client_credentials'] }
const expires_at = new Date(Date.now() + 86_400_000).toISOString()

/** Prepares a person, and resolves to the change that a thief of the session then tries. */
type Deed = (person: Person, service: Service) => Promise<() => Promise<Response>>

const OF_USERS: Record<string, Deed> = {
  'makes an API key': async (mina) => () =>
    mina.post('/v1/me/api-keys', { name: 'script', scope: 'profile', expires_at }),
  'begins TOTP': async (mina) => () => mina.post('/v1/me/totp', {}),
  'removes a factor': async (mina) => {
    const { id } = await addTotp(mina)
    return () => mina.delete(`/v1/me/factors/${id}`)
  },
  'makes recovery codes': async (mina) => {
    await addTotp(mina)
    return () => mina.post('/v1/me/recovery-codes')
  },
  'changes the address': async (mina) => () =>
    mina.patch('/v1/me', { email: 'thief@example.net', current_password: PASSWORD }),
  'changes the password': async (mina) => () =>
    mina.post('/v1/me/password', { current_password: PASSWORD, new_password: 'four louder lanterns' }),
  'deletes the account': async (mina) => () => mina.post('/v1/me/delete', { current_password: PASSWORD }),
}

const OF_ADMINS: Record<string, Deed> = {
  'adds an admin': async (boss) => () => boss.post('/v1/users', { username: 'thief', role: 'admin' }),
  'promotes a user': async (boss, service) => {
    const { id } = await service.signUp('friend')
    return () => boss.patch(`/v1/users/${id}`, { role: 'admin' })
  },
  'makes a reset token': async (boss, service) => {
    const { id } = await service.signUp('victim')
    return () => boss.post(`/v1/users/${id}/password-reset`)
  },
  'registers a client': async (boss) => () => boss.post('/v1/clients', CLIENT),
  'adds a secret to a client': async (boss, service) => {
    const { id } = await registerClient(service, 'machine')
    return () => boss.post(`/v1/clients/${id}/secrets`)
  },
}

t.test('a session that another replica has ended changes no credential, account or client', async (t) => {
  const service = await startService(t)
  const other = await startSecond(t, service)
  let untold = 0
  const tryAll = async (deeds: Record<string, Deed>, join: (name: string) => Promise<Person>) => {
    for (const [name, prepare] of Object.entries(deeds)) {
      const person = await join(`p${randomUUID().slice(0, 8)}`)
      const deed = await prepare(person, service)
      await other.app.accounts.endSessions(person.id, { id: null })
      const before = await credentialsOf(service)
      t.match((await deed()).json(), { status: 401, code: 'invalid_token' }, name)
      if (!service.app.revocations.has(String(claimsOf(person.token).sid))) untold += 1
      t.same(await credentialsOf(service), before, name)
    }
  }
  await tryAll(OF_USERS, (name) => service.signUp(name))
  await tryAll(OF_ADMINS, (name) => signUpAdmin(service, name))
  t.ok(untold > 0, 'this replica had not read of all the ends yet')
})

function credentialsOf({ app: { database } }: Service) {
  const { users, factors, recoveryCodes, apiKeys, clients, oneTimeTokens } = database.tables
  return Promise.all(
    [users, factors, recoveryCodes, apiKeys, clients, oneTimeTokens].map((table) => database.db.select().from(table)),
  )
}
