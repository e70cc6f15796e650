// On SQLite alone: the page and the documents do not depend on the database.

import t from 'tap'
import { startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const PARTS = ['/docs', '/docs/', '/docs/json', '/docs/yaml', '/docs/static/index.html', '/docs/static/swagger-ui.css']
const DOCUMENTS = ['/openapi.json', '/openapi-3.0.json']

t.test('the docs page has its own content security policy and refers to no other host', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const page = await service.get('/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers, { 'content-type': /^text\/html/, 'x-content-type-options': 'nosniff' })
  const policy = String(page.headers['content-security-policy'])
  t.match(policy, /default-src 'none'.*script-src 'self'.*connect-src 'self'.*frame-ancestors 'none'/)
  // The directive would leave the page blank over plain http at any address except localhost.
  t.notMatch(policy, 'upgrade-insecure-requests')
  t.notMatch(policy, /https?:|\*|script-src[^;]*unsafe/)

  const sources = [...page.payload.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => String(source))
  t.ok(sources.length >= 4, 'the page has scripts and styles')
  for (const source of sources) {
    t.notMatch(source, /^(https?:)?\/\//)
    const part = await service.get(new URL(source, 'http://latchkey.test/docs/').pathname)
    t.equal(part.statusCode, 200, source)
    t.match(part.headers, { 'content-security-policy': policy, 'x-content-type-options': 'nosniff' }, source)
  }
  t.notMatch(page.payload, /<script[^>]*>\s*[^\s<]|\son\w+=/, 'no inline script: the policy forbids them')
  const start = await service.get('/docs/static/swagger-initializer.js')
  t.notMatch(start.payload, /persistAuthorization":true|validatorUrl":"|"url":"(?!\/)/)
  for (const url of DOCUMENTS) t.match(start.payload, url)
})

t.test('every other path keeps the strict content security policy', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  for (const url of ['/livez', '/v1/me', '/nothing', ...DOCUMENTS]) {
    t.equal(
      (await service.get(url)).headers['content-security-policy'],
      "default-src 'none'; frame-ancestors 'none'",
      url,
    )
  }
})

t.test('GET / redirects a browser to the docs page and returns 404 to a program', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const browser = await service.request({ method: 'GET', url: '/', headers: { accept: 'text/html,*/*;q=0.8' } })
  t.equal(browser.statusCode, 302)
  t.equal(browser.headers.location, '/docs')
  for (const accept of ['application/json', '*/*', '']) {
    const program = await service.get('/', { accept })
    t.match(program.json(), { status: 404, code: 'not_found' }, accept)
    t.equal(program.headers.location, undefined)
  }
  t.match((await service.get('/')).json(), { status: 404, code: 'not_found' })
})

t.test('the OpenAPI documents need no token and name nothing internal', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  for (const url of DOCUMENTS) {
    const { statusCode, payload } = await service.get(url)
    t.equal(statusCode, 200)
    t.match(JSON.parse(payload), { info: { title: 'Latchkey' }, paths: { '/v1/login': { post: {} } } })
    t.notMatch(payload, /"\/docs|def-\d|latchkey\.db|password_hash/)
  }
})

t.test('with DOCS=off, the page and the documents return 404', async (t) => {
  const service = await startService(t, { DOCS: 'off', COMPAT: 'off' })
  for (const url of [...PARTS, ...DOCUMENTS, '/']) {
    t.match((await service.get(url, { accept: 'text/html' })).json(), { status: 404, code: 'not_found' }, url)
  }
  t.equal((await service.get('/livez')).statusCode, 200)
})

t.test('a path that leads out of the folder of the page returns 404', async (t) => {
  const service = await startService(t, { COMPAT: 'off' })
  const port = await listen(service)
  // On a raw socket, because HTTP clients normalise such paths.
  for (const path of [
    '..',
    '../',
    '%2e%2e',
    '..%2f..%2fpackage.json',
    '%00',
    'nope.js',
    '..%5c..%5cx',
    '/etc/passwd',
  ]) {
    const answer = await exchange(port, lastRequest(`GET /docs/static/${path}`))
    t.match(answer, /^HTTP\/1\.1 404 .*^content-type: application\/problem\+json/ms, path)
  }
})

t.test('the documents have an ETag, and a matching If-None-Match returns 304', async (t) => {
  const service = await startService(t)
  for (const url of [...DOCUMENTS, '/openapi-compat.json']) {
    const first = await service.get(url)
    t.match(
      first,
      { statusCode: 200, headers: { 'content-type': /^application\/json/, 'cache-control': 'no-cache' } },
      url,
    )
    const tag = String(first.headers.etag)
    t.match(tag, /^"[\w-]{20,}"$/)
    t.equal((await service.get(url)).payload, first.payload)
    t.match(await service.get(url, { 'if-none-match': `W/${tag}` }), { statusCode: 304, payload: '' })
    t.equal((await service.get(url, { 'if-none-match': '"x"' })).statusCode, 200)
  }
})

t.test('a served document has absolute addresses, and the docs page gets relative ones', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'https://login.example.com/auth' })
  for (const [url, token] of [
    ['/openapi.json', 'v1/token'],
    ['/openapi-3.0.json', 'v1/token'],
    ['/openapi-compat.json', 'token'],
  ]) {
    const served = (await service.get(String(url))).json()
    t.equal(served.servers[0].url, 'https://login.example.com/auth')
    const { tokenUrl } = served.components.securitySchemes.oauth2Password.flows.password
    t.equal(tokenUrl, `https://login.example.com/auth/${token}`)
    const forPage = (await service.get(`${url}?servers=relative`)).json()
    t.equal(forPage.servers[0].url, '/')
    t.equal(forPage.components.securitySchemes.oauth2Password.flows.password.tokenUrl, token)
    t.same(Object.keys(forPage.components.securitySchemes), ['oauth2Password'], 'one form, and one button, to log in')
    t.same(forPage.security, [{ oauth2Password: [] }])
    t.same(Object.keys(served.components.securitySchemes), ['oauth2Password', 'bearerAuth'])
  }
})

t.test('every integer id in the documents has the format int64', async (t) => {
  const service = await startService(t)
  for (const url of [...DOCUMENTS, '/openapi-compat.json']) {
    const narrow: string[] = []
    const look = (part: unknown, path: string) => {
      if (typeof part !== 'object' || part === null) return
      const { type, format, name, schema } = part as Record<string, unknown>
      if (/(^|_)id$/.test(String(name)) && schema) look(schema, `${path}/id`)
      const isInteger = [type].flat().includes('integer')
      if (/(^|[/_])id$/.test(path) && isInteger && format !== 'int64') narrow.push(path)
      for (const [key, value] of Object.entries(part)) look(value, `${path}/${key}`)
    }
    look((await service.get(url)).json(), '')
    t.same(narrow, [], url)
  }
})

t.test('the page has a viewport meta tag for phones', async (t) => {
  const service = await startService(t)
  for (const url of ['/docs', '/docs/']) {
    t.match((await service.get(url)).payload, '<meta name="viewport" content="width=device-width, initial-scale=1">')
  }
})
