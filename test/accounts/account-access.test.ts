import t from 'tap'
import { addTotp, ticketOf } from '../factors/people.js'
import { PASSWORD, type Person, type Service, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

t.setTimeout(120_000)

const OPERATOR = { id: null }
const HOUR_MS = 3_600_000

/** Which credentials of an account still work. `ticket`: a log-in that waits for its second factor. */
type Held = Record<'session' | 'key' | 'reset' | 'ticket', boolean>

const ALL: Held = { session: true, key: true, reset: true, ticket: true }
const NONE: Held = { session: false, key: false, reset: false, ticket: false }
/** API keys survive a changed password and a log-out everywhere, so that the owner's scripts go on working. */
const KEYS_ALONE = { ...NONE, key: true }

const DEEDS: Record<string, { held: Held; act(person: Person, service: Service): Promise<unknown> }> = {
  nothing: { held: ALL, act: async () => {} },
  'a role is added': {
    held: { ...ALL, ticket: false },
    act: ({ id }, { app }) => app.administration.change(id, { roles: 'editor' }, OPERATOR),
  },
  'a role is removed': {
    held: NONE,
    act: async ({ id }, { app }) => {
      await app.administration.change(id, { roles: 'editor' }, OPERATOR)
      await app.administration.change(id, { roles: '' }, OPERATOR)
    },
  },
  'the account is disabled and enabled again': {
    held: NONE,
    act: async ({ id }, { app }) => {
      await app.administration.change(id, { isActive: false }, OPERATOR)
      await app.administration.change(id, { isActive: true }, OPERATOR)
    },
  },
  'the owner changes the password': {
    held: KEYS_ALONE,
    act: (person) =>
      person.post('/v1/me/password', { current_password: PASSWORD, new_password: 'six louder lanterns' }),
  },
  'an operator sets the password': {
    held: NONE,
    act: async ({ id }, { app }) => {
      const user = await app.accounts.get(id)
      await app.newPasswords.overwrite({ user, passwordHash: await app.newPasswords.hash(user, 'six louder lanterns') })
    },
  },
  'the owner logs out everywhere else': { held: KEYS_ALONE, act: (person) => person.delete('/v1/sessions') },
  'an admin logs the account out everywhere': {
    held: KEYS_ALONE,
    act: ({ id }, { app }) => app.accounts.endSessions(id, OPERATOR),
  },
  'the factors are removed': { held: NONE, act: ({ id }, { app }) => app.secondFactors.removeAll(id, OPERATOR) },
  'the account is deleted': { held: NONE, act: ({ id }, { app }) => app.accounts.delete(id, OPERATOR) },
}

t.test('each change to an account revokes exactly the sessions, API keys and tokens that it should', async (t) => {
  const service = await startService(t)
  for (const [index, [deed, { held, act }]] of Object.entries(DEEDS).entries()) {
    const name = `person${index}`
    const person = await service.signUp(name)
    const before = await service.logIn(name)
    const key = await keyOf(person)
    const phone = await addTotp(person)
    t.equal((await before.get('/v1/me')).statusCode, 401, 'the first factor ends the other sessions')
    t.equal(await opens(service, key), true, 'the first factor leaves the API keys valid')
    const [code = '', another = ''] = phone.recoveryCodes
    const begun = await complete(service, await ticketOf(service, name), code)
    const ticket = await ticketOf(service, name)
    const reset = await service.app.administration.createPasswordReset(person.id, OPERATOR)
    await act(person, service)
    const found: Held = {
      session: await opens(service, begun.json().access_token),
      key: await opens(service, key),
      ticket: (await complete(service, ticket, another)).statusCode === 200,
      reset: (await resetBy(service, reset?.token ?? '')).statusCode === 204,
    }
    t.same(found, held, deed)
  }
})

t.test('a password set by an operator voids the reset tokens that the account made as an admin', async (t) => {
  const service = await startService(t)
  const { administration, accounts, newPasswords } = service.app
  const [ada, mina] = [await signUpAdmin(service, 'ada'), await service.signUp('mina')]
  const { token } = (await ada.post(`/v1/users/${mina.id}/password-reset`)).json()
  const user = await accounts.get(ada.id)
  await newPasswords.overwrite({ user, passwordHash: await newPasswords.hash(user, 'six louder lanterns') })
  t.equal((await resetBy(service, token)).statusCode, 400)
  const made = await administration.createPasswordReset(mina.id, OPERATOR)
  t.equal((await resetBy(service, made?.token ?? '')).statusCode, 204)
})

async function opens(service: Service, bearer: string): Promise<boolean> {
  return (await service.get('/v1/me', { authorization: `Bearer ${bearer}` })).statusCode === 200
}

function complete(service: Service, ticket: string, recovery_code: string) {
  return service.post('/v1/login/factor', { ticket, recovery_code })
}

function resetBy(service: Service, token: string) {
  return service.post('/v1/password-reset', { token, new_password: 'seven louder lanterns' })
}

async function keyOf(person: Person): Promise<string> {
  const expires_at = new Date(Date.now() + HOUR_MS).toISOString()
  return (await person.post('/v1/me/api-keys', { name: 'script', scope: 'profile', expires_at })).json().key
}
