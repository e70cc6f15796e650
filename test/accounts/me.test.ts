import { eq } from 'drizzle-orm'
import t from 'tap'
import { PASSWORD, startService } from '../helper.js'

const FIELDS = [
  'id',
  'username',
  'email',
  'email_verified',
  'pending_email',
  'name',
  'role',
  'roles',
  'locale',
  'created_at',
  'updated_at',
]

t.test('getMe returns exactly the public fields of the caller', async (t) => {
  const service = await startService(t)
  await service.signUp('joon')
  await service.post('/v1/register', { username: 'Mina', email: 'Mina@Example.com', name: '미나', password: PASSWORD })
  const mina = await service.logIn('mina')
  const answer = await mina.get('/v1/me')
  t.equal(answer.statusCode, 200)
  t.same(Object.keys(answer.json()).sort(), FIELDS.toSorted())
  t.match(answer.json(), { id: mina.id, username: 'Mina', email: 'Mina@Example.com', name: '미나', role: 'user' })
  t.same(answer.json(), mina.login.user)
  t.notMatch(answer.body, /bcrypt|hash|is_active|_key|joon/i)
})

t.test('a field that was not given at the registration is null', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  t.match((await mina.get('/v1/me')).json(), { username: 'mina', email: null, name: null, role: 'user' })
})

t.test('getMe returns 401 without a token, and for a deleted or disabled account', async (t) => {
  const service = await startService(t)
  const [mina, joon, hana] = [await service.signUp('mina'), await service.signUp('joon'), await service.signUp('hana')]
  const { db, tables } = service.app.database
  t.match((await service.get('/v1/me')).json(), { status: 401, code: 'missing_token' })
  await db.delete(tables.users).where(eq(tables.users.id, mina.id))
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.id, joon.id))
  for (const person of [mina, joon]) {
    t.match((await person.get('/v1/me')).json(), { status: 401, code: 'invalid_token' })
  }
  t.equal((await hana.get('/v1/me')).statusCode, 200)
})
