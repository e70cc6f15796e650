import t from 'tap'
import { type Person, startService } from '../helper.js'
import { signUpAdmin } from '../support/people.js'

t.test('requests that change nothing are not recorded in the audit log', async (t) => {
  const service = await startService(t)
  const boss = await signUpAdmin(service, 'boss')
  const mina = await service.signUp('mina')
  await mina.patch('/v1/me', { name: 'Mina' })
  const before = await eventsOf(boss, mina)
  const { updated_at } = (await boss.get(`/v1/users/${mina.id}`)).json()
  for (let n = 0; n < 3; n += 1) {
    t.equal((await mina.delete('/v1/sessions')).statusCode, 204)
    t.match((await mina.patch('/v1/me', { name: 'Mina' })).json(), { name: 'Mina' })
    t.equal((await boss.patch(`/v1/users/${mina.id}`, { role: 'user', is_active: true })).statusCode, 200)
  }
  t.same(await eventsOf(boss, mina), before)
  t.equal((await boss.get(`/v1/users/${mina.id}`)).json().updated_at, updated_at)
})

t.test('one account cannot flood the audit log, and its rate limit does not affect other accounts', async (t) => {
  const service = await startService(t, { RATE_LIMIT: '20' })
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const boss = await signUpAdmin(service, 'boss')
  const statuses: number[] = []
  for (let n = 0; n < 15; n += 1) {
    statuses.push((await mina.patch('/v1/me', { name: `Mina ${n}` })).statusCode)
    statuses.push((await mina.delete('/v1/sessions')).statusCode)
  }
  t.equal(statuses.filter((status) => status === 429).length, 10)
  t.match((await mina.patch('/v1/me', { name: 'x' })).json(), { status: 429, code: 'rate_limited' })
  t.ok((await eventsOf(boss, mina)).length <= 21)
  t.equal((await mina.get('/v1/me')).statusCode, 200, 'reads are not limited')
  t.equal((await joon.patch('/v1/me', { name: 'Joon' })).statusCode, 200)
})

async function eventsOf(boss: Person, { id }: Person): Promise<unknown[]> {
  return (await boss.get(`/v1/events?user_id=${id}&limit=100`)).json().items
}
