import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type RequestOptions, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { buildApp } from '../src/app.js'
import { withDefaults } from '../src/clients/registration.js'
import { loadConfig } from '../src/config/config.js'
import { CONNECTIONS } from './load.js'
import { startLatchkey } from './servers.js'

// `npm run bench:openid -- [log-ins] [address of an empty PostgreSQL database]`: how many log-ins a second of people whose browser is logged
// in already: /authorize to a code, and codes to tokens with either signature of the id_token. Codes live for a minute, so that
// there must be no more than can be redeemed in that time. The load generator takes one processor for itself.

const [, , COUNT = '5000', POSTGRES] = process.argv
const PEOPLE = 50
const WARM_UP = 200
const PASSWORD = 'three quiet lanterns'
const BACK = 'https://shop.example.com/callback'
const VERIFIER = 'v'.repeat(43)
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const ALGORITHMS = ['ES256', 'RS256'] as const

const folder = await mkdtemp(join(tmpdir(), 'latchkey-openid-'))
const settings = {
  DATABASE_URL: POSTGRES ?? `sqlite:${join(folder, 'openid.db')}`,
  ...{ SECRET_KEY: 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-the-bench', PUBLIC_URL: 'https://id.example.com' },
  ...{ LOG_LEVEL: 'silent', RATE_LIMIT: 'off', MAX_EVENT_LOOP_DELAY: 'off', BCRYPT_COST: '10' },
}
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
try {
  const cookies = await seed()
  const server = await startLatchkey(settings)
  try {
    for (const algorithm of ALGORITHMS) await measure(algorithm, cookies, server.port)
  } finally {
    agent.destroy()
    await server.stop()
  }
} finally {
  await rm(folder, { recursive: true })
}

/** People with a browser that is logged in, and a client for each algorithm. Returns their cookies. */
async function seed(): Promise<string[]> {
  const app = await buildApp(loadConfig(settings))
  await app.ready()
  for (const algorithm of ALGORITHMS) {
    const registration = {
      ...{
        client_name: algorithm,
        token_endpoint_auth_method: 'none' as const,
        redirect_uris: [BACK],
        first_party: true,
      },
      ...{ scope: 'openid profile', id_token_signed_response_alg: algorithm },
    }
    await app.clients.create(algorithm, withDefaults(registration), { id: null })
  }
  const cookies: string[] = []
  for (let n = 0; n < PEOPLE; n += 1) {
    const person = { username: `person-${n}`, password: PASSWORD }
    await app.inject({ method: 'POST', url: '/v1/register', payload: person })
    const payload = new URLSearchParams(person).toString()
    const { headers } = await app.inject({ method: 'POST', url: askFor('ES256'), headers: FORM, payload })
    cookies.push(String(headers['set-cookie']).split(';')[0] ?? '')
  }
  await app.close()
  return cookies
}

async function measure(algorithm: (typeof ALGORITHMS)[number], cookies: string[], port: number): Promise<void> {
  const address = { port, host: '127.0.0.1', agent }
  const authorize = async (n: number): Promise<string> => {
    const cookie = cookies[n % cookies.length]
    const { location } = await send({ ...address, path: askFor(algorithm), headers: { cookie } }, 303)
    return new URL(String(location)).searchParams.get('code') ?? ''
  }
  const fields = { grant_type: 'authorization_code', client_id: algorithm, redirect_uri: BACK, code_verifier: VERIFIER }
  const redeem = (code: string) => {
    const body = new URLSearchParams({ ...fields, code }).toString()
    return send({ ...address, method: 'POST', path: '/v1/token', headers: FORM }, 200, body)
  }
  for (const code of await inTurn(WARM_UP, authorize)) await redeem(code)
  const codes = await timed(`${algorithm}: /authorize to a code`, Number(COUNT), authorize)
  await timed(`${algorithm}: a code to tokens`, codes.length, (n) => redeem(codes[n] ?? ''))
}

async function timed<Value>(name: string, count: number, one: (n: number) => Promise<Value>): Promise<Value[]> {
  const startedAt = performance.now()
  const values = await inTurn(count, one)
  const seconds = (performance.now() - startedAt) / 1_000
  console.log(
    `${name.padEnd(30)} ${Math.round(count / seconds)
      .toString()
      .padStart(6)} a second`,
  )
  return values
}

/** Does something this often, on all connections. */
async function inTurn<Value>(count: number, one: (n: number) => Promise<Value>): Promise<Value[]> {
  const values: Value[] = []
  let next = 0
  const connection = async () => {
    while (next < count) {
      const n = next++
      values[n] = await one(n)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, connection))
  return values
}

async function send(options: RequestOptions, status: number, body?: string) {
  const [answer] = await once(request(options).end(body), 'response')
  const said = await text(answer)
  if (answer.statusCode !== status) throw new Error(`${options.path}: ${answer.statusCode} ${said}`)
  return answer.headers
}

function askFor(client: string): string {
  const challenge = createHash('sha256').update(VERIFIER).digest('base64url')
  return `/authorize?${new URLSearchParams({
    ...{ response_type: 'code', client_id: client, redirect_uri: BACK, scope: 'openid profile', state: 'x' },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
  })}`
}
