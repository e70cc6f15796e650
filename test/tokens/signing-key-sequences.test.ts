import { type SQL, sql } from 'drizzle-orm'
import fc from 'fast-check'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { Keys } from '../../src/tokens/signing-keys.js'
import { claimsOf, PASSWORD, type Service, startService } from '../helper.js'

// Whatever an operator does to the keys, in any order and after any time: users can log in, and stay logged in.

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const LIFETIME_S = 24 * 3_600
const SECRET_KEY = 'x3Vt8bQz1LrYw6NcKd0PfGs5HmJu9EaT'

type Step =
  | { do: 'rotate' | 'rotate at once' | 'restart' }
  | { do: 'retire'; which: number }
  | { do: 'wait'; ms: number }

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step>({ do: 'rotate' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'rotate at once' }) },
    { weight: 2, arbitrary: fc.constant<Step>({ do: 'restart' }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('retire' as const), which: fc.nat(5) }) },
    {
      weight: 5,
      arbitrary: fc
        .constantFrom(1, 5, 9, 11, 60, 23 * 60, 24 * 60 + 30, 25 * 60 + 11)
        .map((minutes): Step => ({ do: 'wait', ms: minutes * MINUTE_MS })),
    },
  ),
  { minLength: 2, maxLength: 12 },
)

// Each run starts several services, and checks every token that is alive after each step.
t.setTimeout(180_000)

t.test(
  'any sequence of rotating, retiring, restarting and waiting leaves a key that signs and verifies',
  { timeout: 150_000 },
  async (t) => {
    const walk = await startWalk(t)
    const day: Step = { do: 'wait', ms: DAY_MS + 70 * MINUTE_MS + 1 }
    const found: Step[][] = [
      [{ do: 'rotate' }, { do: 'retire', which: 1 }, day, { do: 'restart' }],
      [{ do: 'rotate' }, { do: 'rotate' }, { do: 'retire', which: 2 }, { do: 'retire', which: 1 }, day, day],
      [{ do: 'rotate' }, { do: 'retire', which: 0 }, { do: 'retire', which: 1 }, day],
      [{ do: 'rotate' }, { do: 'wait', ms: 11 * MINUTE_MS }, { do: 'retire', which: 1 }, day, { do: 'rotate' }, day],
    ]
    await fc.assert(
      fc.asyncProperty(steps, (sequence) => walk(sequence)),
      { numRuns: 8, examples: found.map((sequence) => [sequence]), endOnFailure: true },
    )
  },
)

t.test('a start repairs a database that an older version left without a next signing key', async (t) => {
  const service = await startService(t, { SECRET_KEY })
  const soon = sql`${service.app.database.now} + ${60 * MINUTE_MS}`
  await setAll(service, { retiresAt: soon })
  const again = await restart(t, service)
  const rows = await again.app.keys.list()
  t.match(rows, [{ retiresAt: null }])
  await setAll(again, { retiresAt: sql`1` })
  const later = await restart(t, again)
  t.match(await later.app.keys.list(), [{ retiresAt: null }])
  t.equal((await (await later.signUp('mina')).get('/v1/me')).statusCode, 200)
})

t.test('without a signing key, tokens are rejected, log-ins return 503, and /readyz names the reason', async (t) => {
  const service = await startService(t, { SECRET_KEY })
  const mina = await service.signUp('mina')
  const { keys, database } = service.app
  await setAll(service, { retiresAt: sql`1` })
  await keys.reload()
  t.same((await service.get('/.well-known/jwks.json')).json(), { keys: [] })
  t.match((await mina.get('/v1/me')).json(), { status: 401, code: 'invalid_token' })
  const ready = await service.get('/readyz')
  t.match(ready.json(), { status: 503, code: 'not_ready', detail: /No signing key.*latchkey keys list/ })
  const login = await service.post('/v1/login', { username: 'mina', password: PASSWORD })
  t.match(login.json(), { status: 503, code: 'not_ready', detail: 'There is no signing key.' })

  const other = await Keys.open(database, service.app.secret)
  t.equal((await other.list()).length, 1, 'opening the keys creates a key')
  await keys.reload()
  t.equal((await service.get('/readyz')).statusCode, 200)
  t.equal((await (await service.logIn('mina')).get('/v1/me')).statusCode, 200)
})

t.test('processes that rotate or retire keys at the same moment leave a key that signs', async (t) => {
  const service = await startService(t, { SECRET_KEY })
  const all = await Promise.all(Array.from({ length: 4 }, () => Keys.open(service.app.database, service.app.secret)))
  t.equal((await service.app.keys.list()).length, 1)
  const made = await Promise.all(all.map((keys) => keys.rotate()))
  // On a busy machine the processes run one after the other, and then each of them publishes a key.
  t.ok(
    made.some((kid) => kid !== undefined),
    'at least one process publishes a key',
  )
  const kids = (await service.app.keys.list()).map(({ kid }) => kid)
  await Promise.all(all.map((keys, index) => keys.retire(String(kids[index % kids.length]))))
  const left = await service.app.keys.list()
  t.match(left, [{ retiresAt: null }])
  await service.app.keys.reload()
  t.equal((await service.get('/readyz')).statusCode, 200)
})

interface Token {
  text: string
  kid: string
  signedAt: number
}

/**
 * Resolves to a function that runs a sequence on a service with one key. The function throws if a user is locked out.
 */
async function startWalk(t: Test): Promise<(sequence: Step[]) => Promise<void>> {
  let service = await startService(t, { SECRET_KEY })
  await service.signUp('mina')
  return async (sequence) => {
    const { db, tables } = service.app.database
    await db.delete(tables.signingKeys)
    service = await restart(t, service)
    let clock = 0
    const retired = new Set<string>()
    const tokens: Token[] = []
    for (const step of [{ do: 'wait', ms: 0 } as Step, ...sequence]) {
      const kids = (await rowsOf(service)).map(({ kid }) => kid)
      if (step.do === 'rotate') await service.app.keys.rotate()
      else if (step.do === 'rotate at once') {
        await service.app.keys.rotate({ atOnce: true })
        for (const kid of kids) retired.add(kid)
      } else if (step.do === 'restart') service = await restart(t, service)
      else if (step.do === 'retire') {
        const kid = String(kids[step.which % kids.length])
        await service.app.keys.retire(kid)
        retired.add(kid)
      } else if (step.do === 'wait') {
        clock += step.ms
        await letPass(service, step.ms)
      }
      await assertLetIn(service, { clock, retired, tokens })
    }
  }
}

interface Held {
  clock: number
  retired: Set<string>
  tokens: Token[]
}

async function assertLetIn(service: Service, { clock, retired, tokens }: Held): Promise<void> {
  if ((await service.get('/readyz')).statusCode !== 200) throw new Error('not ready')
  const { login, token } = await service.logIn('mina')
  const iat = Math.floor(Date.now() / 1_000)
  const text = service.app.keys.sign({ ...claimsOf(login.access_token), iat, exp: iat + LIFETIME_S })
  const fresh = [token, text].map((text) => ({ text, kid: String(decodeProtectedHeader(text).kid), signedAt: clock }))
  tokens.push(...fresh)
  const jwks = createLocalJWKSet((await service.get('/.well-known/jwks.json')).json())
  for (const { text, kid, signedAt } of tokens) {
    if (clock - signedAt >= DAY_MS) continue
    const { statusCode } = await service.get('/v1/verify', { authorization: `Bearer ${text}` })
    const isKnown = await jwtVerify(text, jwks).then(
      () => true,
      () => false,
    )
    const expected = retired.has(kid) ? [401, false] : [204, true]
    if (String([statusCode, isKnown]) !== String(expected)) {
      throw new Error(`a token of ${kid}, ${clock - signedAt} ms old: ${statusCode}, in the JWKS: ${isKnown}`)
    }
  }
}

function rowsOf({ app: { database } }: Service) {
  const { signingKeys } = database.tables
  return database.db.select().from(signingKeys).orderBy(signingKeys.position)
}

async function setAll({ app: { database } }: Service, values: { retiresAt: SQL }): Promise<void> {
  await database.db.update(database.tables.signingKeys).set(values)
}

/** Moves all times of the keys into the past, as if time had passed. */
async function letPass({ app: { database, keys } }: Service, ms: number): Promise<void> {
  const { signingKeys } = database.tables
  await database.db.update(signingKeys).set({
    createdAt: sql`${signingKeys.createdAt} - ${ms}`,
    signsFrom: sql`${signingKeys.signsFrom} - ${ms}`,
    retiresAt: sql`${signingKeys.retiresAt} - ${ms}`,
  })
  await keys.reload()
}

async function restart(t: Test, { app }: Service): Promise<Service> {
  const { DATABASE_URL } = app.config
  await app.close()
  return startService(t, { DATABASE_URL, SECRET_KEY, LOGIN_THROTTLE: 'off' })
}
