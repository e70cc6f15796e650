import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { isPostgres } from '../../src/config/database-url.js'
import { packageRoot } from '../../src/package.js'
import { type LoginAnswer, PASSWORD, type Person, startService } from '../helper.js'
import { nodeProcess, serving } from '../support/child.js'
import { startListening } from '../support/listening.js'
import { catchLogs } from '../support/logs.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(60_000)

const DIST = pathToFileURL(join(packageRoot, 'dist-test', '/'))
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const SERVER = 2
const ERROR = 2

t.test('a request is a span below its caller, with its statements and hashes as child spans', async (t) => {
  const receiver = await startReceiver(t)
  const { service, address, fetch } = await startListening(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_SERVICE_NAME: 'login of the shop',
  })
  await service.signUp('mina')
  const response = await fetch(`${address}/v1/login?campaign=spring-4711`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      traceparent: `00-${TRACE}-${PARENT}-01`,
      tracestate: 'shop=mina',
      'user-agent': 'browser of mina',
    },
    body: ReadableStream.from(inPieces(JSON.stringify({ username: 'mina', password: PASSWORD }))),
    duplex: 'half',
  })
  const login = (await response.json()) as LoginAnswer
  await service.get('/nowhere/spring-4711')
  const databaseUrl = service.app.config.DATABASE_URL
  await service.app.close()

  const spans = receiver.spans()
  const [request] = spans.filter((span) => span.traceId === TRACE && span.kind === SERVER)
  t.match(request, { name: 'POST /v1/login', parentSpanId: PARENT })
  t.same(request?.attributes, {
    'http.request.method': 'POST',
    'http.route': '/v1/login',
    'http.response.status_code': 200,
    'url.scheme': 'http',
  })
  t.same(request?.resource, { 'service.name': 'login of the shop', 'service.version': '0.1.0' })

  const children = spans.filter(({ parentSpanId }) => parentSpanId === request?.spanId)
  t.same(new Set(children.map(({ traceId }) => traceId)), new Set([TRACE]))
  t.equal(children.filter(({ name }) => name === 'password hash').length, 1)
  const statements = children.filter(({ name }) => name === 'database statement')
  t.ok(statements.length > 1, 'statements that read the account and write the session')
  for (const { attributes } of statements) {
    t.same(attributes, { 'db.system.name': isPostgres(databaseUrl) ? 'postgresql' : 'sqlite' })
  }

  const lost = spans.find(({ attributes }) => attributes['http.response.status_code'] === 404)
  t.equal(lost?.name, 'GET', 'the URL is not part of the name')
  t.equal(lost?.attributes['http.route'], undefined)
  t.notOk(lost?.parentSpanId, 'a request without traceparent starts a trace')
  t.not(lost?.traceId, TRACE)

  for (const secret of [
    'mina',
    'spring-4711',
    PASSWORD,
    login.access_token,
    login.refresh_token,
    '127.0.0.1',
    'select',
  ]) {
    t.notMatch(receiver.text(), secret)
  }
})

t.test('statements are child spans of their own request, even when requests share a transaction', async (t) => {
  const receiver = await startReceiver(t)
  const service = await startService(t, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint })
  const mina = await service.signUp('mina')
  const joon = await service.signUp('joon')
  const traces = ['1', '2', '3'].map((digit) => digit.repeat(32))
  const [ofMina, ofJoon, ofList] = traces.map((trace) => ({ traceparent: `00-${trace}-${PARENT}-01` }))
  const refresh = ({ login }: Person, headers?: Record<string, string>) =>
    service.post('/v1/refresh', { refresh_token: login.refresh_token }, headers)
  const answers = await Promise.all([refresh(mina, ofMina), refresh(joon, ofJoon), mina.get('/v1/todos', ofList)])
  for (const { statusCode } of answers) t.equal(statusCode, 200)
  await service.app.close()
  const statements = receiver.spans().filter(({ name }) => name === 'database statement')
  const counts = traces.map((trace) => statements.filter(({ traceId }) => traceId === trace).length)
  // The two statements of a refresh share an fsync on SQLite, and are sent together on PostgreSQL.
  t.same(counts, [1, 1, 1])
})

t.test('the log contains the trace id; a server error marks its span, without the error message', async (t) => {
  const receiver = await startReceiver(t)
  const service = await startService(t, { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.endpoint}/` })
  const takeLog = catchLogs(service.app)
  const mina = await service.signUp('mina')
  Reflect.set(service.app.sessions, 'list', () => {
    throw new Error('the message of a bug')
  })
  const headers = { authorization: `Bearer ${mina.token}`, traceparent: `00-${TRACE}-${PARENT}-01` }
  const { statusCode } = await service.app.inject({ url: '/v1/sessions', headers })
  const malformed = await service.get('/livez', { traceparent: 'not one' })
  t.equal(malformed.statusCode, 200)
  // A response may arrive before the log line of its request.
  await service.app.close()
  const lines = takeLog()
    .split('\n')
    .flatMap((line) => (line.includes('"route"') ? [JSON.parse(line)] : []))
  t.equal(statusCode, 500)
  const [failed, livez] = lines.filter(({ route }) => route !== '/v1/register')
  t.match(failed, { route: '/v1/sessions', trace_id: TRACE })
  const span = receiver.spans().find(({ name }) => name === 'GET /v1/sessions')
  t.match(span, { status: { code: ERROR }, attributes: { 'error.type': '500', 'http.response.status_code': 500 } })
  t.notMatch(receiver.text(), 'the message of a bug')
  const alive = receiver.spans().find(({ name }) => name === 'GET /livez')
  t.match(livez, { route: '/livez', trace_id: alive?.traceId })
  t.not(alive?.traceId, TRACE)
  t.notOk(alive?.status.code, 'a successful span has no status')
})

t.test('tracing is off by default, and its packages are not loaded', async (t) => {
  const script = `
    const { buildApp } = await import(${JSON.stringify(new URL('src/app.js', DIST))})
    const { loadConfig } = await import(${JSON.stringify(new URL('src/config/config.js', DIST))})
    const app = await buildApp(loadConfig())
    await app.ready()
    const { default: { _cache: loaded } } = await import('node:module')
    process.stdout.write(String(Object.keys(loaded).filter((path) => path.includes('@opentelemetry')).length))
    await app.close()`
  const modulesLoaded = async (settings: Record<string, string>) => {
    const child = await nodeProcess(t, ['--input-type=module', '--eval', script], {
      settings: { ...settings, LOG_LEVEL: 'silent' },
    })
    t.equal(await child.exit, 0, child.stderr)
    return Number(child.stdout)
  }
  t.equal(await modulesLoaded({}), 0)
  t.ok(
    (await modulesLoaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })) > 10,
    'with tracing on, the packages are loaded',
  )
})

t.test('an unreachable or silent trace receiver affects no request and does not delay the stop', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const ports = [await freePort(), (silent.address() as AddressInfo).port]
  for (const port of ports) {
    const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }
    const child = await serving(t, { settings })
    t.equal((await child.request('GET', '/readyz')).status, 200)
    const startedAt = performance.now()
    t.equal(await child.stop(), 0)
    t.ok(performance.now() - startedAt < 3_000, `${Math.round(performance.now() - startedAt)} ms`)
  }
})

/** A body that is not complete when its request is inspected. */
async function* inPieces(text: string): AsyncGenerator<Uint8Array> {
  for (const piece of [text.slice(0, 10), text.slice(10)]) {
    yield Buffer.from(piece)
    await sleep(50)
  }
}

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  status: { code?: number }
  attributes: Record<string, unknown>
  resource: Record<string, unknown>
}

interface Attribute {
  key: string
  value: { stringValue?: string; intValue?: number }
}

type Sent = Omit<Span, 'attributes' | 'resource'> & { attributes: Attribute[] }

interface Export {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Sent[] }[] }[]
}

/** A receiver for OTLP over HTTP in JSON, which stores the texts. */
async function startReceiver(t: Test) {
  const texts: string[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const isTraces = request.method === 'POST' && request.url === '/v1/traces'
    if (isTraces) texts.push(text)
    response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** All received texts, unchanged. */
    text: () => texts.join('\n'),
    spans: (): Span[] =>
      texts.flatMap((text) =>
        (JSON.parse(text) as Export).resourceSpans.flatMap(({ resource, scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) =>
            spans.map((span) => ({
              ...span,
              attributes: named(span.attributes),
              resource: named(resource.attributes),
            })),
          ),
        ),
      ),
  }
}

function named(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))
}
