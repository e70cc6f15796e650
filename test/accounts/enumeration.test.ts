import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { PASSWORD, type Service, startService } from '../helper.js'

const TRIES = 15
/** Wrong passwords for a name before the first wait. */
const BUDGET = 10
const WRONG = 'not the password'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Every endpoint that accepts a password, as a function that builds a log-in request. */
const ENDPOINTS: Record<string, (name: string, password: string) => { url: string; payload: object | string }> = {
  'v1 log-in': (username, password) => ({ url: '/v1/login', payload: { username, password } }),
  'v1 password grant': (username, password) => ({
    url: '/v1/token',
    payload: form({ grant_type: 'password', username, password }),
  }),
  'exact name, Flask-Smorest': (username, password) => ({ url: '/login/', payload: { username, password } }),
  'exact name, Flask-RESTful': (username, password) => ({ url: '/login', payload: { username, password } }),
  'exact address, Flask': (email, password) => ({ url: '/login', payload: { email, password } }),
  'exact name, FastAPI': (username, password) => ({ url: '/api/user/login', payload: form({ username, password }) }),
  'exact name, FastAPI TODO': (username, password) => ({ url: '/token', payload: form({ username, password }) }),
}

/** A name that has an account, and a name without one to compare it with. */
const PAIRS = [
  ['dave', 'zora'],
  ['erin@example.com', 'zora@example.com'],
  ['disabled', 'nonesuch'],
  ['DAVE', 'ZORA'],
] as const
/** One endpoint of each kind: accepts any spelling of any name, the exact user name, or the exact address. */
const KINDS = ['v1 log-in', 'exact name, Flask-RESTful', 'exact address, Flask']

type Endpoint = (typeof ENDPOINTS)[string]

for (const [title, endpoint] of Object.entries(ENDPOINTS)) {
  t.test(`fifteen wrong passwords do not reveal whether an account exists: ${title}`, async (t) => {
    const service = await startPeople(t)
    for (const [known, unknown] of PAIRS) {
      const there = await walk(service, Array(TRIES).fill([endpoint, unknown]))
      t.strictSame(await walk(service, Array(TRIES).fill([endpoint, known])), there, known)
      t.equal(there.filter(({ status }) => status === 429).length, TRIES - BUDGET)
    }
  })
}

// Endpoints share the budgets of a name. Separate budgets would reveal whether a name is a user name or an address.
t.test('wrong passwords at one endpoint and then another do not reveal whether an account exists', async (t) => {
  const service = await startPeople(t)
  const kinds = Object.entries(ENDPOINTS).filter(([title]) => KINDS.includes(title))
  for (const [first, one] of kinds) {
    for (const [second, other] of kinds) {
      for (const [known, unknown] of PAIRS.slice(0, 2)) {
        const tries = (name: string): [Endpoint, string][] => [
          ...Array(BUDGET).fill([one, name.toUpperCase()]),
          [other, name],
        ]
        const there = await walk(service, tries(unknown))
        t.strictSame(await walk(service, tries(known)), there, `${first}, then ${second}: ${known}`)
        t.equal(there.at(-1)?.status, 429)
      }
    }
  }
})

/** Dave has a user name, Erin has an address, and the third account is disabled. */
async function startPeople(t: Parameters<typeof startService>[0]) {
  const service = await startService(t, { RATE_LIMIT: '100000' })
  for (const account of [{ username: 'dave' }, { email: 'erin@example.com' }, { username: 'disabled' }]) {
    await service.post('/v1/register', { ...account, password: PASSWORD })
  }
  const { db, tables } = service.app.database
  await db.update(tables.users).set({ isActive: false }).where(eq(tables.users.username, 'disabled'))
  return service
}

let networks = 0

/** The responses to these tries in sequence. Resets all budgets first and uses a new network. */
async function walk(service: Service, tries: [Endpoint, string][]) {
  const { db, tables } = service.app.database
  await db.delete(tables.throttle)
  networks += 1
  const remoteAddress = `2001:db8:${networks.toString(16)}::1`
  const answers = []
  for (const [endpoint, name] of tries) {
    const { url, payload } = endpoint(name, WRONG)
    const headers = typeof payload === 'string' ? FORM : {}
    answers.push(seen(await service.app.inject({ method: 'POST', url, payload, headers, remoteAddress })))
  }
  return answers
}

/**
 * What a client sees of a response, without what differs between any two responses. Request ids differ in length too.
 */
function seen({ statusCode: status, headers, payload }: Response) {
  const { date, 'content-length': length, 'x-request-id': id, 'x-ratelimit-reset': reset, ...others } = headers
  return { status, headers: others, payload: payload.replaceAll(String(id), '<id>') }
}

function form(fields: Record<string, string>): string {
  return new URLSearchParams(fields).toString()
}
