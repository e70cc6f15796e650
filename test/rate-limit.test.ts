import t from 'tap'
import { PASSWORD, type Service, startService } from './helper.js'

const LIMIT = 3
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

interface Route {
  url: string
  payload: string | object
  headers?: Record<string, string>
}

const CREDENTIAL_ROUTES: Route[] = [
  { url: '/v1/register', payload: { username: 'admin', password: PASSWORD } },
  { url: '/v1/login', payload: { username: 'nobody', password: PASSWORD } },
  { url: '/v1/refresh', payload: { refresh_token: 'garbage' } },
  { url: '/v1/token', payload: 'grant_type=refresh_token&refresh_token=garbage', headers: FORM },
]

t.test('each public route that takes credentials answers a network so often a minute', async (t) => {
  for (const route of CREDENTIAL_ROUTES) {
    const service = await startService(t, { RATE_LIMIT: String(LIMIT) })
    const statuses: number[] = []
    for (let count = 0; count < LIMIT; count += 1) statuses.push((await send(service, route)).statusCode)
    t.notOk(statuses.includes(429), route.url)
    const refused = await send(service, route)
    t.equal(refused.statusCode, 429, route.url)
    t.equal(refused.headers['cache-control'], 'no-store')
    const retryAfter = String(refused.headers['retry-after'])
    t.match(retryAfter, /^\d+$/)
    t.ok(Number(retryAfter) > 0 && Number(retryAfter) <= 60, retryAfter)
    if (route.url === '/v1/token') t.equal(refused.json().error, 'slow_down')
    else t.match(refused.json(), { status: 429, code: 'rate_limited' })
    t.not((await send(service, route, '203.0.113.10')).statusCode, 429, 'other networks go on')
  }
})

t.test('addresses of one IPv6 network share the limit', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT) })
  const [, login] = CREDENTIAL_ROUTES
  if (login === undefined) throw new Error('There is no log-in')
  for (let host = 1; host <= LIMIT; host += 1) {
    t.equal((await send(service, login, `2001:db8::${host}`)).statusCode, 401)
  }
  t.equal((await send(service, login, '2001:db8::ffff:1')).statusCode, 429)
  t.equal((await send(service, login, '2001:db8:0:1::1')).statusCode, 401)
})

// Services with high traffic call from one address.
t.test('nothing else is limited', async (t) => {
  const service = await startService(t, { RATE_LIMIT: String(LIMIT) })
  const mina = await service.signUp('mina')
  const others = [
    () => mina.get('/v1/me'),
    () => mina.get('/v1/verify'),
    () => mina.get('/v1/todos'),
    () => mina.post('/v1/todos', { title: 'Water the plants' }),
    () => service.get('/livez'),
    () => service.get('/.well-known/jwks.json'),
    () => service.get('/v1/me'),
    () => service.get('/nowhere'),
    () => mina.post('/v1/logout'),
  ]
  for (const other of others) {
    for (let count = 0; count < LIMIT * 3; count += 1) {
      const { statusCode } = await other()
      if (statusCode === 429) t.fail('limited', { other: String(other) })
    }
  }
  t.equal((await send(service, { url: '/v1/login', payload: {} })).statusCode, 400, 'none of them counted')
})

t.test('the limit can be switched off', async (t) => {
  const service = await startService(t, { RATE_LIMIT: 'off' })
  for (const route of CREDENTIAL_ROUTES.filter(({ url }) => url !== '/v1/login')) {
    for (let count = 0; count < 70; count += 1) {
      if ((await send(service, route)).statusCode === 429) t.fail(route.url)
    }
    t.pass(route.url)
  }
})

function send(service: Service, { url, payload, headers = {} }: Route, remoteAddress = '203.0.113.9') {
  return service.request({ method: 'POST', url, payload, headers, remoteAddress })
}
