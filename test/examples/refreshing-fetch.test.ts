// On SQLite alone: the client only uses the HTTP API.

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { claimsOf, PASSWORD, type Person, type Service } from '../helper.js'
import { openForge, token } from '../support/forge.js'
import { startListening } from '../support/listening.js'

// Tests examples/refreshing-fetch and examples/browser. Forges expired tokens instead of waiting for the expiry.

t.setTimeout(180_000)

const EXAMPLES = join(packageRoot, 'examples')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' }
/** On a busy machine, it may take long until a client repeats a request whose response was lost. */
const PATIENT = { REFRESH_REUSE_WINDOW: '60s' }

interface Tokens {
  access_token: string
  refresh_token: string
}

const { refreshingFetch } = await import(join(EXAMPLES, 'refreshing-fetch', 'refreshing-fetch.js'))

t.test('concurrent calls with an expired token refresh once, and each call is sent again with its body', async (t) => {
  const { address, store, fetch, refreshes, expire } = await person(t)
  const first = store.tokens
  t.equal((await fetch(`${address}/v1/me`)).status, 200)
  t.equal(await refreshes(), 0, 'a valid token is not refreshed')
  await expire()
  const headers = { 'content-type': 'application/json' }
  const titles = ['one', 'two', 'three', 'four']
  const answers = await Promise.all(
    titles.map((title) => fetch(`${address}/v1/todos`, { method: 'POST', headers, body: JSON.stringify({ title }) })),
  )
  t.same(
    answers.map(({ status }) => status),
    [201, 201, 201, 201],
  )
  t.equal(await refreshes(), 1)
  t.not(store.tokens?.refresh_token, first?.refresh_token, 'the refresh token is rotated')
  await expire()
  const { items } = (await (await fetch(new Request(`${address}/v1/todos`))).json()) as { items: { title: string }[] }
  t.same(items.map(({ title }) => title).sort(), titles.toSorted())
  t.equal(await refreshes(), 2)
})

t.test('a refresh whose response is lost is retried, and the session goes on', async (t) => {
  const { service, address } = await startListening(t, PATIENT)
  const lossy = await proxyThatLoses(t, address, '/v1/refresh')
  const { store, fetch, refreshes, expire } = await person(t, { service, address: lossy.address })
  await expire()
  t.equal((await fetch(`${lossy.address}/v1/me`)).status, 200)
  t.equal(lossy.lost(), 1)
  t.equal(await refreshes(), 2, 'both refreshes are recorded')
  await expire()
  t.equal((await fetch(`${lossy.address}/v1/me`)).status, 200, 'the session goes on')
  t.ok(store.tokens)
})

t.test('after the session has ended, a call returns 401 and the stored tokens are removed', async (t) => {
  const { service, mina, address, store, fetch } = await person(t)
  t.equal((await mina.post('/v1/logout')).statusCode, 204)
  t.equal((await fetch(`${address}/v1/me`)).status, 401)
  t.equal(store.tokens, null)
  t.equal((await fetch(`${address}/v1/me`)).status, 401, 'no token is left to send')
  t.equal((await service.get('/v1/me')).statusCode, 401)
})

t.test('an unreachable service does not remove the tokens, and a failed log-in is not retried', async (t) => {
  const { service, address, store, fetch, expire } = await person(t)
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ username: 'mina', password: 'not the right one' })
  t.equal((await fetch(`${address}/v1/login`, { method: 'POST', headers, body })).status, 401)
  const { db, tables } = service.app.database
  t.equal((await db.select().from(tables.events)).filter(({ type }) => type === 'login.failed').length, 1)
  await expire()
  const kept = store.tokens
  await service.app.close()
  await t.rejects(fetch(`${address}/v1/me`))
  t.equal(store.tokens, kept)
})

t.test('the token is sent only to Latchkey and to the servers that are named', async (t) => {
  const seen: (string | undefined)[] = []
  const server = createServer(({ headers }, response) => {
    seen.push(headers.authorization)
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const other = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const { address, store, fetch } = await person(t)
  await fetch(other)
  await refreshingFetch(address, store, [other])(other)
  t.same(seen, [undefined, `Bearer ${store.tokens?.access_token}`])
})

const skip = existsSync(CHROMIUM) ? false : `no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`

t.test('two tabs of the browser example share a session, and only one of them refreshes it', { skip }, async (t) => {
  const files = createServer(async (request, response) => {
    const { pathname } = new URL(`${request.url}`, 'http://localhost')
    const file = pathname === '/' ? '/index.html' : pathname
    const content = await readFile(join(EXAMPLES, 'browser', file)).catch(() => '')
    response.setHeader('content-type', TYPES[extname(file)] ?? 'text/plain').end(content)
  }).listen(0)
  await once(files, 'listening')
  t.teardown(() => files.close())
  const app = `http://localhost:${(files.address() as { port: number }).port}`
  const { service, address } = await startListening(t, { CORS_ORIGINS: app, REFRESH_REUSE_WINDOW: '0s' })
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--headless', '--no-sandbox'] })
  t.teardown(() => browser.close())
  const context = await browser.newContext()
  const open = async () => {
    const page = await context.newPage()
    await page.goto(`${app}/?latchkey=${encodeURIComponent(address)}`)
    return page
  }
  const one = await open()
  await one.fill('[name=username]', 'mina')
  await one.fill('[name=password]', PASSWORD)
  await one.click('button[value=register]')
  await one.waitForSelector('#who:has-text("mina")')
  const two = await open()
  await two.waitForSelector('#who:has-text("mina")')
  const tokens = JSON.parse(await one.evaluate("localStorage.getItem('latchkey')"))
  const mina = await service.logIn('mina')
  const text = JSON.stringify(await expired(service, mina, tokens))
  await one.evaluate(`localStorage.setItem('latchkey', ${JSON.stringify(text)})`)
  // Both tabs must succeed: without a lock, the second refresh would reuse a refresh token and end the session.
  await Promise.all(
    [one, two].map(async (page, index) => {
      await page.fill('[name=title]', `from tab ${index}`)
      await page.press('[name=title]', 'Enter')
      await page.waitForSelector(`li:has-text("from tab ${index}")`)
    }),
  )
  t.equal(await countRefreshes(service), 1)
  await one.click('#logout')
  await two.waitForSelector('#login:visible')
  t.equal(await two.isVisible('main'), false)
})

/** A logged-in user, with a token store and the fetch of the example. */
async function person(t: Test, running: Partial<Awaited<ReturnType<typeof startListening>>> = {}) {
  const listening = running.service ? undefined : await startListening(t, PATIENT)
  const service = running.service ?? listening?.service
  const address = running.address ?? listening?.address
  if (service === undefined || address === undefined) throw new Error('nothing runs')
  const mina = await service.signUp('mina')
  const store = {
    tokens: mina.login as Tokens | null,
    get: () => store.tokens,
    set(tokens: Tokens | null) {
      store.tokens = tokens
    },
  }
  const refreshes = () => countRefreshes(service)
  const expire = async () => {
    if (store.tokens !== null) store.tokens = await expired(service, mina, store.tokens)
  }
  return {
    service,
    mina,
    address,
    store,
    refreshes,
    expire,
    fetch: refreshingFetch(address, store) as typeof globalThis.fetch,
  }
}

/** The same tokens, with an expired access token. */
async function expired(service: Service, mina: Person, tokens: Tokens): Promise<Tokens> {
  const forge = await openForge(service, mina)
  return { ...tokens, access_token: token({ ...forge, claims: claimsOf(tokens.access_token) }, { iat: 1, exp: 2 }) }
}

async function countRefreshes({ app }: Service): Promise<number> {
  const events = await app.database.db.select().from(app.database.tables.events)
  return events.filter(({ type }) => type === 'session.refreshed').length
}

/** A proxy that forwards everything, but cuts the connection before the first response at this path. */
async function proxyThatLoses(t: Test, target: string, path: string) {
  let lost = 0
  const server = createServer(async (request, response) => {
    const body = request.method === 'GET' ? undefined : (request as unknown as ReadableStream)
    const { authorization, 'content-type': type } = request.headers
    const headers = { ...(authorization && { authorization }), ...(type && { 'content-type': type }) }
    const answer = await fetch(target + request.url, {
      method: request.method ?? 'GET',
      headers,
      body,
      duplex: 'half',
    } as RequestInit)
    const content = await answer.text()
    if (request.url === path && lost === 0) {
      lost += 1
      return request.socket.destroy()
    }
    response
      .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
      .end(content)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { address: `http://127.0.0.1:${(server.address() as { port: number }).port}`, lost: () => lost }
}
