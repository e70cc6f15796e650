// On SQLite alone: a proxy only sees the response of /v1/verify.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { packageRoot } from '../../src/package.js'
import { openForge, token } from '../support/forge.js'
import { startListening } from '../support/listening.js'
import { clientToken, registerClient } from '../support/oauth.js'
import { exampleCopy, freePort, running } from './running.js'

// Each proxy asks Latchkey about every request, in front of an API that does not check tokens.

t.setTimeout(120_000)

const NGINX = '/usr/sbin/nginx'
const CADDY = '/usr/bin/caddy'
const HAPROXY = '/usr/sbin/haproxy'
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

const PROXIES = {
  nginx: {
    file: 'nginx.conf',
    binary: NGINX,
    command: (folder: string) => [
      NGINX,
      '-p',
      folder,
      '-c',
      'nginx.conf',
      '-e',
      'stderr',
      '-g',
      'daemon off; pid nginx.pid;',
    ],
    user: 'x-user-id',
  },
  caddy: {
    file: 'Caddyfile',
    binary: CADDY,
    command: () => [CADDY, 'run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
    user: 'x-latchkey-subject',
  },
  haproxy: {
    file: 'haproxy.cfg',
    binary: HAPROXY,
    command: () => [HAPROXY, '-db', '-f', 'haproxy.cfg'],
    user: 'x-latchkey-subject',
  },
}

for (const [name, proxy] of Object.entries(PROXIES)) {
  const { binary, user } = proxy
  const skip = existsSync(binary) ? false : `no ${binary}: apt-get install ${name}`
  t.test(`${name} passes requests with a valid token on to the API and names their user`, { skip }, async (t) => {
    const [here, api] = [await freePort(), await echo(t)]
    const { service } = await startListening(t, { PORT: String(here) })
    const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
    const call = await inFront(t, name, proxy, { here, api })
    const bearer = (text: string) => ({ authorization: `Bearer ${text}` })

    for (const person of [mina, joon]) {
      const { status, body } = await call(bearer(person.token))
      t.equal(status, 200)
      t.equal(body?.headers[user], String(person.id))
      t.ok(Object.values(body?.headers ?? {}).includes('user'), 'the role is passed on')
    }
    const forged = await call({ ...bearer(joon.token), [user]: '1', [user.replace(/id$|subject$/, 'role')]: 'admin' })
    t.equal(forged.body?.headers[user], String(joon.id), 'a user id sent by the client is replaced')
    t.notMatch(JSON.stringify(forged.body?.headers), 'admin')
    const posted = await call(bearer(mina.token), { method: 'POST', body: 'some text' })
    t.match(posted.body, { method: 'POST', content: 'some text' })

    const none = await call({})
    t.equal(none.status, 401)
    t.match(none.headers.get('www-authenticate'), /^Bearer/)
    const expired = token(await openForge(service, mina), { exp: 1 })
    for (const wrong of [expired, 'x', mina.login.refresh_token]) t.equal((await call(bearer(wrong))).status, 401)
    t.equal((await call({ [user]: '1' })).status, 401)
    t.equal((await mina.post('/v1/logout')).statusCode, 204)
    t.equal((await call(bearer(mina.token))).status, 401, 'at once after the log-out')
    t.equal((await call(bearer(joon.token))).status, 200)

    const expires_at = new Date(Date.now() + 86_400_000).toISOString()
    const made = await joon.post('/v1/me/api-keys', { name: 'script', scope: 'invoices:read', expires_at })
    const billing = await clientToken(service, await registerClient(service, 'billing', { scope: 'invoices:read' }))
    const other = await clientToken(service, await registerClient(service, 'other', { scope: 'invoices:write' }))
    const scoped = await inFront(t, name, proxy, { here, api, scope: 'invoices:read' })
    for (const [token, subject] of [
      [made.json().key, String(joon.id)],
      [billing, 'billing'],
    ]) {
      t.equal((await call(bearer(token))).status, 403, 'this proxy names no scope')
      const { status, body } = await scoped({ ...bearer(token), [user.replace(/id$|subject$/, 'role')]: 'admin' })
      t.same([status, body?.headers[user]], [200, subject])
      t.notMatch(JSON.stringify(body?.headers), 'admin')
    }
    t.equal((await scoped(bearer(other))).status, 403)
  })
}

t.test('the Traefik file calls /v1/verify and forwards its response headers', async (t) => {
  const { http } = parse(await readFile(join(packageRoot, 'examples/traefik/dynamic.yml'), 'utf8'))
  const { forwardAuth } = http.middlewares.latchkey
  t.equal(new URL(forwardAuth.address).pathname, '/v1/verify')
  t.same(http.routers.api.middlewares, ['latchkey'])
  const { service } = await startListening(t)
  const answer = await (await service.signUp('mina')).get('/v1/verify')
  for (const header of forwardAuth.authResponseHeaders) t.ok(answer.headers[header.toLowerCase()], header)
})

t.test('the Envoy file names the JWKS and removes from requests the headers that it sets', async (t) => {
  const file = await readFile(join(packageRoot, 'examples/envoy/envoy.yaml'), 'utf8')
  const [listener] = parse(file).static_resources.listeners
  const filters = listener.filter_chains[0].filters[0].typed_config.http_filters
  t.same(
    filters.map(({ name }: { name: string }) => name.split('.').at(-1)),
    ['header_mutation', 'jwt_authn', 'router'],
  )
  const [{ typed_config: mutation }, { typed_config: authentication }] = filters
  const { remote_jwks, claim_to_headers } = authentication.providers.latchkey
  const removed = mutation.mutations.request_mutations.map(({ remove }: { remove: string }) => remove)
  const set = claim_to_headers.map(({ header_name }: { header_name: string }) => header_name)
  t.same(removed, set)
  const { service } = await startListening(t)
  t.match((await service.get(new URL(remote_jwks.http_uri.uri).pathname)).json(), { keys: [{ alg: 'ES256' }] })
})

/** Starts a proxy on a free port in front of the API. Resolves to a function that sends requests through the proxy. */
async function inFront(
  t: Test,
  name: string,
  { file, command }: (typeof PROXIES)[keyof typeof PROXIES],
  { here, api, scope }: { here: number; api: number; scope?: string },
) {
  const port = await freePort()
  const folder = await exampleCopy(t, name)
  const ports: Record<string, number> = { 3000: here, 4000: api, 8080: port }
  const config = (await readFile(join(folder, file), 'utf8'))
    .replaceAll(/\b(3000|4000|8080)\b/g, (found) => `${ports[found]}`)
    .replace('/v1/verify', scope === undefined ? '/v1/verify' : `/v1/verify?scope=${scope}`)
  // Lets nginx run next to another nginx, and without root.
  const places = ['access_log off;', ...TEMPORARY.map((what) => `${what}_temp_path ${what};`)].join(' ')
  await writeFile(join(folder, file), config.replace('http {', `http { ${places}`))
  await mkdir(join(folder, 'home'))
  const address = await running(t, command(folder), { folder, port, settings: { HOME: join(folder, 'home') } })
  return async (headers: Record<string, string>, init: RequestInit = {}) => {
    const answer = await fetch(address, { ...init, headers })
    const body = answer.status === 200 ? ((await answer.json()) as Echo) : undefined
    return { status: answer.status, body, headers: answer.headers }
  }
}

interface Echo {
  method: string
  headers: Record<string, string>
  content: string
}

/** An API that returns the request as it arrived. Resolves to the port of the API. */
async function echo(t: Test): Promise<number> {
  const server = createServer(async (request, response) => {
    const { method, headers } = request
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ method, headers, content: await text(request) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}
