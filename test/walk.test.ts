import t from 'tap'
import { startService } from './helper.js'

t.test('a user registers, adds and lists a todo, refreshes, logs out, and is then rejected', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const created = await mina.post('/v1/todos', { title: 'Water the plants' })
  t.equal(created.statusCode, 201)
  const list = await mina.get('/v1/todos')
  t.match(list.json(), { items: [{ title: 'Water the plants', done: false }], next_cursor: null })
  const refreshed = await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  t.equal(refreshed.statusCode, 200)
  t.equal((await mina.post('/v1/logout')).statusCode, 204)
  t.match((await mina.get('/v1/todos')).json(), { status: 401, code: 'invalid_token' })
  const late = await service.post('/v1/refresh', { refresh_token: refreshed.json().refresh_token })
  t.match(late.json(), { status: 400, code: 'invalid_grant' })
})
