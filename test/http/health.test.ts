import t from 'tap'
import { startService } from '../helper.js'

t.test('/livez, /healthz and /readyz answer without a token, and only with the status', async (t) => {
  const service = await startService(t)
  for (const path of ['/livez', '/healthz', '/readyz']) {
    for (const headers of [{}, { authorization: 'Bearer garbage' }]) {
      const answer = await service.get(path, headers)
      t.equal(answer.statusCode, 200, path)
      t.same(answer.json(), { status: 'ok' })
      t.equal(answer.headers['cache-control'], 'no-store')
      t.not(answer.headers.connection, 'close')
    }
  }
})

t.test('while draining, /readyz returns 503, other requests work, and responses have Connection: close', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  service.app.drain.begin()
  const readyz = await service.get('/readyz')
  t.match(readyz.json(), { status: 503, code: 'not_ready' })
  t.equal(readyz.headers['retry-after'], '1')
  const answers = [
    { answer: readyz, status: 503 },
    { answer: await service.get('/livez'), status: 200 },
    { answer: await service.get('/healthz'), status: 200 },
    { answer: await mina.post('/v1/todos', { title: 'x' }), status: 201 },
    { answer: await mina.get('/v1/todos'), status: 200 },
    { answer: await mina.get('/v1/verify'), status: 204 },
    { answer: await service.get('/v1/todos'), status: 401 },
    { answer: await service.get('/v1/todos/%zz'), status: 400 },
    { answer: await service.get('/nowhere'), status: 404 },
    { answer: await service.post('/livez'), status: 405 },
    { answer: await service.post('/v1/login', { username: 'mina' }), status: 400 },
  ]
  for (const { answer, status } of answers) {
    t.equal(answer.statusCode, status)
    t.equal(answer.headers.connection, 'close', `${status} ${answer.body}`)
  }
})
