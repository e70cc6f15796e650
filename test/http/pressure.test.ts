// On SQLite alone: the event loop does not depend on the database.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startService } from '../helper.js'
import { catchLogs } from '../support/logs.js'
import { until } from '../support/replica.js'
import { stall } from '../support/stall.js'

t.test('while the event loop lags, requests return 503 at once, and afterwards they are served again', async (t) => {
  const service = await startService(t, { MAX_EVENT_LOOP_DELAY: '50' })
  const mina = await service.signUp('mina')
  await until(async () => (await mina.get('/v1/me')).statusCode === 200)
  await until(async () => {
    stall(300)
    await sleep(1)
    return (await mina.get('/v1/me')).statusCode === 503
  })
  const readLog = catchLogs(service.app)
  const turnedAway = await mina.get('/v1/me')
  const [logged] = readLog()
    .split('\n')
    .filter((line) => line.includes('"code":"overloaded"'))
  t.match(JSON.parse(logged ?? '{}'), { level: 40, err: undefined }, 'a warning without a stack trace')
  t.match(turnedAway.json(), { status: 503, code: 'overloaded' })
  t.equal(turnedAway.headers['retry-after'], '1')
  t.equal((await service.get('/readyz')).statusCode, 503)
  for (const path of ['/livez', '/healthz']) t.equal((await service.get(path)).statusCode, 200, path)
  await until(async () => (await mina.get('/v1/me')).statusCode === 200)
})

t.test('with MAX_EVENT_LOOP_DELAY=off, requests are served while the event loop lags', async (t) => {
  const service = await startService(t, { MAX_EVENT_LOOP_DELAY: 'off' })
  for (let round = 0; round < 4; round += 1) {
    stall(300)
    await sleep(1)
    t.equal((await service.get('/readyz')).statusCode, 200)
  }
})
