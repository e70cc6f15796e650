import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { parse } from 'yaml'
import { packageRoot } from '../../src/package.js'
import { type Person, type Service, startService } from '../helper.js'
import { basic, clientToken, postForm, registerClient } from '../support/oauth.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(60_000)

t.test('by default /metrics returns 404, and no metrics are collected', async (t) => {
  const service = await startService(t)
  t.equal((await service.get('/metrics')).statusCode, 404)
  t.equal(service.app.metrics, undefined)
})

t.test('with METRICS=on, /metrics is for admins only', async (t) => {
  const service = await startService(t, { METRICS: 'on' })
  const mina = await service.signUp('mina')
  t.match((await scrape(service)).json(), { status: 401, code: 'missing_token' })
  t.match((await scrape(service, mina)).json(), { status: 403, code: 'insufficient_scope' })
  const answer = await scrape(service, await promoted(service, 'joon'))
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.equal(service.app.swagger().paths?.['/metrics'], undefined, '/metrics is not in the OpenAPI document')
})

t.test('requests of clients are counted by client, and requests of unknown clients without a name', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  const billing = await registerClient(service, 'billing', { scope: 'invoices:read' })
  const token = await clientToken(service, billing)
  const asBilling = basic(billing.id, billing.secret)
  await postForm(service, '/v1/introspect', { token }, asBilling)
  await postForm(service, '/v1/introspect', { token }, asBilling)
  await postForm(service, '/v1/revoke', { token }, asBilling)
  const wrong = { grant_type: 'client_credentials', client_secret: 'wrong' }
  await postForm(service, '/v1/token', { ...wrong, client_id: 'billing' })
  await postForm(service, '/v1/token', { ...wrong, client_id: 'made-up-name' })
  const { payload } = await scrape(service)
  const counts = payload.split('\n').filter((line) => /client_requests_total\{/.test(line))
  const counted = (request: string, client: string) =>
    counts
      .find((line) => line.includes(`request="${request}"`) && line.includes(`client="${client}"`))
      ?.split(' ')
      .at(-1)
  t.same(
    ['client_credentials', 'introspection', 'revocation', 'refused'].map((request) => counted(request, 'billing')),
    ['1', '2', '1', '1'],
  )
  t.equal(counted('refused', ''), '1')
  t.notMatch(payload, /made-up-name|lks_/)
})

t.test('requests, log-ins, tokens and hashes are counted without user names, addresses or tokens', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  const mina = await service.signUp('mina')
  await service.logIn('mina')
  await service.post('/v1/login', { username: 'mina', password: 'not her password' })
  await service.post('/v1/refresh', { refresh_token: mina.login.refresh_token })
  const form = 'username=mina&password=three+quiet+lanterns'
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  await service.app.inject({ method: 'POST', url: '/api/user/login', payload: form, headers })
  await mina.get('/v1/todos/471147114711')
  await service.get('/nowhere/471147114711')
  const text = (await scrape(service)).payload

  t.equal(sample(text, 'login_attempts_total', 'result="succeeded"'), 2)
  t.equal(sample(text, 'login_attempts_total', 'result="failed"'), 1)
  t.equal(sample(text, 'login_attempts_total', 'result="throttled"'), 0)
  t.equal(sample(text, 'tokens_issued_total', 'grant="password"'), 2)
  t.equal(sample(text, 'tokens_issued_total', 'grant="refresh_token"'), 1)
  t.equal(sample(text, 'tokens_issued_total', 'grant="compat"'), 1)
  t.equal(sample(text, 'http_request_duration_seconds_count', 'method="GET",route="/v1/todos/:id",status="404"'), 1)
  t.equal(sample(text, 'http_request_duration_seconds_count', 'method="GET",route="none",status="404"'), 1)
  // One hash for the registration, and one for each log-in with a password, right or wrong.
  t.equal(sample(text, 'password_hash_duration_seconds_count'), 4)
  t.ok(sample(text, 'database_statement_duration_seconds_count') > 10)
  t.equal(sample(text, 'password_hash_queue_waiting'), 0)
  t.ok(sample(text, 'revocation_lag_seconds') < 5)
  t.type(sample(text, 'nodejs_eventloop_lag_p99_seconds'), 'number')
  for (const secret of ['mina', '471147114711', 'lanterns', mina.token, mina.login.refresh_token])
    t.notMatch(text, secret)
})

t.test('a throttled log-in is counted as throttled', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  await service.signUp('mina')
  const guess = () => service.post('/v1/login', { username: 'mina', password: 'not her password' })
  for (let n = 0; n < 12; n += 1) await guess()
  const text = (await scrape(service)).payload
  t.equal(sample(text, 'login_attempts_total', 'result="failed"'), 10)
  t.equal(sample(text, 'login_attempts_total', 'result="throttled"'), 2)
})

t.test('with METRICS_PORT, metrics are served on that port only', async (t) => {
  const port = await freePort()
  const service = await startService(t, { METRICS_PORT: String(port) })
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  for (const host of ['127.0.0.1', '::1']) {
    t.match(await ask(port, '/metrics', { host }), { status: 200, body: /^# HELP/ }, host)
  }
  t.match(await ask(port, '/metrics?debug=1'), { status: 200, body: /^# HELP/ })
  t.match(await ask(port, '/metrics', { method: 'HEAD' }), { status: 200, body: '' })
  t.match(await ask(port, '/v1/me'), { status: 404, body: '' })
  t.equal((await service.get('/metrics')).statusCode, 404)
  await service.app.close()
  for (const host of ['127.0.0.1', '::1'])
    await t.rejects(ask(port, '/metrics', { host }), { code: 'ECONNREFUSED' }, host)
})

t.test('the alerts and the dashboard use metrics that exist', async (t) => {
  const service = await startService(t, { METRICS: 'public' })
  await service.get('/livez')
  const text = (await scrape(service)).payload
  const exposed = new Set([...text.matchAll(/^([a-z_0-9]+)(?:\{| )/gm)].map(([, name]) => name))
  const { groups } = parse(await readFile(join(packageRoot, 'deploy/prometheus/rules.yaml'), 'utf8'))
  const dashboard = JSON.parse(await readFile(join(packageRoot, 'deploy/grafana/dashboard.json'), 'utf8'))
  const expressions: string[] = [
    ...groups.flatMap(({ rules }: { rules: { expr: string }[] }) => rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) => targets.map(({ expr }) => expr)),
  ]
  t.ok(expressions.length > 15)
  for (const expression of expressions) {
    const names = [...expression.matchAll(/([a-z_0-9]+)\{/g)].map(([, name]) => `${name}`)
    t.ok(names.length > 0, expression)
    // Prometheus itself adds `up`.
    for (const name of names.filter((name) => name !== 'up')) t.ok(exposed.has(name), name)
  }
})

function scrape(service: Service, person?: Person) {
  const headers = person === undefined ? {} : { authorization: `Bearer ${person.token}` }
  return service.app.inject({ url: '/metrics', headers })
}

async function promoted(service: Service, username: string): Promise<Person> {
  const { id } = await service.signUp(username)
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ role: 'admin' }).where(eq(tables.users.id, id))
  return service.logIn(username)
}

/** The value of a sample; NaN if there is none. */
function sample(text: string, name: string, labels?: string): number {
  const start = labels === undefined ? `${name} ` : `${name}{${labels}} `
  const line = text.split('\n').find((line) => line.startsWith(start))
  return Number(line?.slice(start.length) ?? Number.NaN)
}

function ask(
  port: number,
  path: string,
  { method = 'GET', host = '127.0.0.1' } = {},
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ method, port, path, host, agent: false }, async (answer) => {
      let body = ''
      for await (const chunk of answer) body += chunk
      resolve({ status: answer.statusCode, body })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
