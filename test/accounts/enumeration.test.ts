import { eq } from 'drizzle-orm'
import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import { PASSWORD, type Service, startService } from '../helper.js'

const TRIES = 15
/** The wrong passwords that a name takes before it waits. */
const BUDGET = 10
const WRONG = 'not the password'
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** Every door that takes a password, as a request that tries a name there. */
const DOORS: Record<string, (name: string, password: string) => { url: string; payload: object | string }> = {
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

/** Somebody's name, and a name of nobody that it is compared with. */
const PAIRS = [
  ['dave', 'zora'],
  ['erin@example.com', 'zora@example.com'],
  ['disabled', 'nonesuch'],
  ['DAVE', 'ZORA'],
] as const
/** One door of each kind: any spelling of any name, the exact user name, the exact address. */
const KINDS = ['v1 log-in', 'exact name, Flask-RESTful', 'exact address, Flask']

type Door = (typeof DOORS)[string]

for (const [title, door] of Object.entries(DOORS)) {
  t.test(`fifteen wrong passwords do not reveal whether an account exists: ${title}`, async (t) => {
    const service = await startPeople(t)
    for (const [known, unknown] of PAIRS) {
      const there = await walk(service, Array(TRIES).fill([door, unknown]))
      t.strictSame(await walk(service, Array(TRIES).fill([door, known])), there, known)
      t.equal(there.filter(({ status }) => status === 429).length, TRIES - BUDGET)
    }
  })
}

// What one door uses up, another refuses: or going from one to the other would tell who is known by which name.
t.test('wrong passwords at one endpoint and then another do not reveal whether an account exists', async (t) => {
  const service = await startPeople(t)
  const kinds = Object.entries(DOORS).filter(([title]) => KINDS.includes(title))
  for (const [first, one] of kinds) {
    for (const [second, other] of kinds) {
      for (const [known, unknown] of PAIRS.slice(0, 2)) {
        const tries = (name: string): [Door, string][] => [
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

/** Dave has a name, Erin an address, and one is disabled; all of them log in elsewhere. */
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

/** What tries are answered, one after the other, all from one network of their own and with whole budgets. */
async function walk(service: Service, tries: [Door, string][]) {
  const { db, tables } = service.app.database
  await db.delete(tables.throttle)
  networks += 1
  const remoteAddress = `2001:db8:${networks.toString(16)}::1`
  const answers = []
  for (const [door, name] of tries) {
    const { url, payload } = door(name, WRONG)
    const headers = typeof payload === 'string' ? FORM : {}
    answers.push(seen(await service.app.inject({ method: 'POST', url, payload, headers, remoteAddress })))
  }
  return answers
}

/** All that a client sees of an answer, but for what differs between any two: ids may differ in length too. */
function seen({ statusCode: status, headers, payload }: Response) {
  const { date, 'content-length': length, 'x-request-id': id, 'x-ratelimit-reset': reset, ...others } = headers
  return { status, headers: others, payload: payload.replaceAll(String(id), '<id>') }
}

function form(fields: Record<string, string>): string {
  return new URLSearchParams(fields).toString()
}
