import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../src/app.js'
import { withDefaults } from '../src/clients/registration.js'
import { loadConfig } from '../src/config/config.js'
import { CONNECTIONS } from './load.js'
import { type Server, startLatchkey } from './servers.js'
import { requestBytes, sendAll } from './sockets.js'

// `npm run bench:openid -- [log-ins] [address of an empty PostgreSQL database]`: measures log-ins a second of users
// whose browser is already logged in: /authorize to a code, and codes to tokens, for each signature algorithm of the
// id_token. Codes expire after a minute, so all of them must be redeemed within that time. Also prints the service's
// processor time in all threads, which other programs on the machine affect least.

const [, , COUNT = '5000', POSTGRES] = process.argv
/** Enough users that none reaches the limit of sessions with a client. */
const PEOPLE = 1_000
/** The number of log-ins until V8 has compiled the hot path. */
const WARM_UP = 3_000
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
try {
  const cookies = await seed()
  const server = await startLatchkey(settings)
  try {
    for (const algorithm of ALGORITHMS) await measure(algorithm, cookies, server)
  } finally {
    await server.stop()
  }
} finally {
  await rm(folder, { recursive: true })
}

/** Creates users with a logged-in browser, and a client for each algorithm. Returns the cookies of the browsers. */
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
  const device = { cookie: undefined, isShared: false }
  for (let n = 0; n < PEOPLE; n += 1) {
    const { id } = await app.registration.create({ username: `person-${n}` })
    const user = await app.accounts.get(id)
    const { setCookie } = await app.browserSessions.begin(user, device, { ip: '127.0.0.1' })
    cookies.push(setCookie.split(';')[0] ?? '')
  }
  await app.close()
  return cookies
}

async function measure(algorithm: (typeof ALGORITHMS)[number], cookies: string[], server: Server): Promise<void> {
  const asks = (count: number) =>
    Array.from({ length: count }, (_, n) =>
      requestBytes(`GET ${askFor(algorithm)}`, { headers: { cookie: String(cookies[n % cookies.length]) } }),
    )
  const fields = { grant_type: 'authorization_code', client_id: algorithm, redirect_uri: BACK, code_verifier: VERIFIER }
  const exchange = (answer: string) => {
    const code = new URL(/location: (\S+)/i.exec(answer)?.[1] ?? '').searchParams.get('code') ?? ''
    return requestBytes('POST /v1/token', { headers: FORM, body: new URLSearchParams({ ...fields, code }).toString() })
  }
  const first = await sendAll(server.port, asks(WARM_UP), 303, CONNECTIONS)
  await sendAll(server.port, first.map(exchange), 200, CONNECTIONS)
  const answers = await timed(`${algorithm}: /authorize to a code`, server, {
    requests: asks(Number(COUNT)),
    status: 303,
  })
  await timed(`${algorithm}: a code to tokens`, server, { requests: answers.map(exchange), status: 200 })
}

/** Sends all requests. Prints the rate and the processor time per request. */
async function timed(name: string, server: Server, { requests, status }: { requests: Buffer[]; status: number }) {
  const [startedAt, cpuBefore] = [performance.now(), server.cpu()]
  const answers = await sendAll(server.port, requests, status, CONNECTIONS)
  const perSecond = requests.length / ((performance.now() - startedAt) / 1_000)
  const cpu = ((server.cpu() ?? Number.NaN) - (cpuBefore ?? Number.NaN)) / requests.length
  console.log(`${name.padEnd(30)} ${perSecond.toFixed(0).padStart(6)} a second   ${cpu.toFixed(2)} ms of a processor`)
  return answers
}

function askFor(client: string): string {
  const challenge = createHash('sha256').update(VERIFIER).digest('base64url')
  return `/authorize?${new URLSearchParams({
    ...{ response_type: 'code', client_id: client, redirect_uri: BACK, scope: 'openid profile', state: 'x' },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
  })}`
}
