import t from 'tap'
import { PASSWORD, startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { DEAD, sessionStatus, signUpAdmin } from '../support/people.js'
import { settingsOf } from '../support/replica.js'
import { addTotp } from './people.js'

t.setTimeout(120_000)

t.test('an admin removes the factors of a user, but not their own or those of another admin', async (t) => {
  const service = await startService(t)
  const [boss, other] = [await signUpAdmin(service, 'boss'), await signUpAdmin(service, 'other')]
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  for (const person of [mina, boss, other]) await addTotp(person)
  t.match((await joon.delete(`/v1/users/${mina.id}/factors`)).json(), { status: 403, code: 'insufficient_scope' })
  for (const { id } of [boss, other]) {
    t.match((await boss.delete(`/v1/users/${id}/factors`)).json(), { status: 403, code: 'account_protected' })
  }
  t.equal((await boss.delete('/v1/users/999999/factors')).statusCode, 404)
  t.equal((await boss.delete(`/v1/users/${mina.id}/factors`)).statusCode, 204)
  t.equal(await sessionStatus(mina), DEAD)
  t.equal((await service.logIn('mina')).id, mina.id)
  t.equal((await boss.delete(`/v1/users/${mina.id}/factors`)).statusCode, 204, 'there is nothing to remove')
  t.equal((await service.post('/v1/login', { username: 'boss', password: PASSWORD })).statusCode, 403)
  const { db, tables } = service.app.database
  const events = (await db.select().from(tables.events)).filter(({ type }) => type === 'factor.removed')
  t.match(events, [{ userId: mina.id, actorId: boss.id }])
})

t.test('the command line shows and removes the factors of an account, even of an admin', async (t) => {
  const service = await startService(t)
  await addTotp(await signUpAdmin(service, 'boss'))
  const run = async (...args: string[]) => {
    const child = await latchkey(t, ['users', ...args], { settings: settingsOf(service) })
    t.equal(await child.exit, 0, child.stderr)
    return child.stdout
  }
  t.match(await run('show', 'boss'), /^factors +totp \(phone\)$/m)
  t.match(JSON.parse(await run('show', 'boss', '--json')), {
    username: 'boss',
    factors: [{ type: 'totp', name: 'phone' }],
  })
  t.match(await run('remove-factors', 'boss'), 'boss (id 1) has no second factor any more; all sessions were ended.')
  t.match(await run('show', 'boss'), /^factors +-$/m)
  t.equal((await service.logIn('boss')).login.user.username, 'boss')
})
