// On SQLite alone: addresses do not depend on the database.

import { connect } from 'node:net'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { PASSWORD, startService } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { type Claims, openForge, token } from '../support/forge.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(120_000)

t.test('PUBLIC_URL is normalised, or rejected if it is invalid', async (t) => {
  const cases: Record<string, string | undefined> = {
    'https://login.example.com': 'https://login.example.com',
    'https://login.example.com/': 'https://login.example.com',
    'https://login.example.com\r': 'https://login.example.com',
    ' https://login.example.com\n': 'https://login.example.com',
    'HTTPS://Login.Example.com:443/Auth/': 'https://login.example.com/Auth',
    'http://[::1]:3000': 'http://[::1]:3000',
    'https://login.example.com/?': undefined,
    'https://login.example.com/?a=b': undefined,
    'https://login.example.com/#': undefined,
    'https:login.example.com': undefined,
    'https:\\\\login.example.com': undefined,
    'https://login.example.com\\auth': undefined,
    'https://:secret@login.example.com': undefined,
    'https://mina@login.example.com': undefined,
    'https://login.example.com/a b': undefined,
    'https://login.example\t.com': undefined,
    'ftp://login.example.com': undefined,
  }
  for (const [given, wanted] of Object.entries(cases)) {
    const load = () => loadConfig({ PUBLIC_URL: given })
    if (wanted === undefined) t.throws(load, { message: /- PUBLIC_URL / }, JSON.stringify(given))
    else t.match(load(), { PUBLIC_URL: wanted, AUDIENCE: wanted }, JSON.stringify(given))
  }
})

t.test('a line break after a value is removed, and a control character inside a value is rejected', async (t) => {
  const config = loadConfig({ HOST: '127.0.0.1\r', AUDIENCE: 'api\r\n', DATABASE_URL: 'sqlite:./x.db\r' })
  t.match(config, { HOST: '127.0.0.1', AUDIENCE: 'api', DATABASE_URL: 'sqlite:./x.db' })
  t.throws(() => loadConfig({ AUDIENCE: 'a\u0000b' }), { message: /AUDIENCE "a.*b" contains a control character/ })
  t.throws(() => loadConfig({ DATABASE_URL: 'sqlite:./a\nb.db' }), {
    message: /DATABASE_URL contains a control character/,
  })
})

t.test('behind a proxy that strips a path prefix, every address given out includes the prefix', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'https://example.test/auth' })
  const mina = await service.signUp('mina')
  const registered = await service.post('/v1/register', { username: 'joon', password: PASSWORD })
  t.equal(registered.headers.location, '/auth/v1/me')
  const todo = await mina.post('/v1/todos', { title: 'x' })
  t.equal(todo.headers.location, `/auth/v1/todos/${todo.json().id}`)
  const tutorial = await mina.post('/v1/tutorials', { name: 'x', description: 'y' })
  t.equal(tutorial.headers.location, `/auth/v1/tutorials/${tutorial.json().id}`)
  const root = await service.app.inject({ url: '/', headers: { accept: 'text/html' } })
  t.equal(root.headers.location, '/auth/docs')
  t.match((await service.get('/nothing')).json().detail, / at \/auth\/docs\.$/)
  const slash = await service.app.inject({ method: 'POST', url: '/token/' })
  t.match(slash.headers.location, /^http:\/\/[^/]+\/auth\/token$/)

  const page = (await service.get('/docs')).payload
  for (const [, address = ''] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
    t.ok(address.startsWith('/auth/docs') || address.startsWith('./'), address)
  }
  const setup = (await service.get('/docs/static/swagger-initializer.js')).payload
  for (const name of ['openapi.json', 'openapi-3.0.json', 'openapi-compat.json']) t.match(setup, `/auth/${name}`)
  t.notMatch(setup, /"\/openapi/)

  const metadata = (await service.get('/.well-known/oauth-authorization-server/auth')).json()
  t.same(metadata, (await service.get('/.well-known/oauth-authorization-server')).json())
  t.match(metadata, {
    issuer: 'https://example.test/auth',
    jwks_uri: 'https://example.test/auth/.well-known/jwks.json',
  })
})

t.test('an OAuth client finds an issuer with a path by the rule of RFC 8414', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'https://example.test/auth' })
  const issuer = new URL('https://example.test/auth')
  const asked: string[] = []
  const answer = await oauth.discoveryRequest(issuer, {
    algorithm: 'oauth2',
    [oauth.customFetch]: async (url) => {
      asked.push(new URL(url).pathname)
      const { payload } = await service.get(new URL(url).pathname)
      return new Response(payload, { headers: { 'content-type': 'application/json' } })
    },
  })
  t.equal((await oauth.processDiscoveryResponse(issuer, answer)).issuer, issuer.href)
  t.same(asked, ['/.well-known/oauth-authorization-server/auth'])
})

t.test('without settings the service listens as localhost, on both loopback addresses, until it stops', async (t) => {
  const service = await serving(t, { settings: { PORT: String(await freePort()) } })
  t.match(service.address, /^http:\/\/localhost:\d+$/)
  const { body: mina } = await service.request('POST', '/v1/register', {
    body: { username: 'mina', password: PASSWORD },
  })
  t.equal(decodeJwt(mina.access_token).iss, service.address)
  for (const host of ['127.0.0.1', '[::1]']) {
    const response = await fetch(`http://${host}:${service.port}/v1/me`, {
      headers: { authorization: `Bearer ${mina.access_token}` },
    })
    t.equal(response.status, 200, host)
  }
  const keys = createRemoteJWKSet(new URL(`${service.address}/.well-known/jwks.json`))
  await t.resolves(jwtVerify(mina.access_token, keys, { issuer: service.address, audience: service.address }))
  const idle = connect(service.port, '::1')
  await new Promise((resolve) => idle.once('connect', resolve))
  t.equal(await service.stop(), 0, 'an idle connection to the second address does not delay the stop')
  idle.destroy()
})

t.test('tokens with the issuer 127.0.0.1 of earlier versions are accepted, and no longer issued', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'http://localhost:3000' })
  const mina = await service.signUp('mina')
  t.match(decodeJwt(mina.token), { iss: 'http://localhost:3000', aud: 'http://localhost:3000' })
  const former = { iss: 'http://127.0.0.1:3000', aud: 'http://127.0.0.1:3000' }
  const forge = await openForge(service, mina)
  const me = (changes: Claims) => service.get('/v1/me', { authorization: `Bearer ${token(forge, changes)}` })
  t.equal((await me(former)).statusCode, 200)
  for (const iss of ['http://127.0.0.1:3001', 'http://127.0.0.2:3000', 'https://127.0.0.1:3000']) {
    t.equal((await me({ ...former, iss })).statusCode, 401, iss)
  }
})

t.test('a start on a port in use fails with EADDRINUSE in one line', async (t) => {
  const first = await serving(t)
  const second = await latchkey(t, ['serve'], { settings: { PORT: String(first.port) } })
  t.equal(await second.exit, 1)
  t.match(second.stderr, /^latchkey: listen EADDRINUSE/m)
})
