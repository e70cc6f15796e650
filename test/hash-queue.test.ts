import { availableParallelism } from 'node:os'
import type { Response } from 'light-my-request'
import t, { type Test } from 'tap'
import { HashQueue } from '../src/hash-queue.js'
import { countBy, PASSWORD, type Service, startService } from './helper.js'

const TRIES = 10
const WRONG = 'not the password'

t.test('log-ins beyond what the processors can hash are told to come again, and count as no try', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  const people = Array.from({ length: 12 }, (_, index) => `person-${index}`)
  for (const person of people) await service.signUp(person)
  const answers = await Promise.all(people.flatMap((person) => [1, 2, 3].map(() => logIn(service, person))))
  t.strictSame(Object.keys(countBy(answers, ({ statusCode }) => statusCode)), ['200', '503'])
  for (const answer of answers.filter(({ statusCode }) => statusCode === 503)) assertOverloaded(t, answer)
  const { db, tables } = service.app.database
  const tries = (await db.select().from(tables.throttle)).filter((row) => row.tries > 0)
  t.strictSame(tries, [])
  for (const person of people) t.equal((await logIn(service, person)).statusCode, 200)
})

t.test('an overloaded moment neither spends nor widens the budget of failed log-ins', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  await service.signUp('mina')
  for (const username of ['mina', 'nobody']) {
    const seen: Record<string, number> = { 401: 0, 503: 0 }
    const tryAtOnce = async (count: number) => {
      const answers = await Promise.all(Array.from({ length: count }, () => logIn(service, username, WRONG)))
      for (const { statusCode } of answers) seen[statusCode] = (seen[statusCode] ?? 0) + 1
    }
    while (seen[429] === undefined) await tryAtOnce(6)
    t.ok(Number(seen[503]) > 0, 'there was overload')
    // Near the end of the budget one is turned away for the sake of another that is given back; so the rest, one by one.
    const turnedAway = seen[429]
    while (seen[429] === turnedAway) await tryAtOnce(1)
    t.equal(seen[401], TRIES, username)
    t.equal((await logIn(service, username)).statusCode, 429)
  }
})

t.test('every route that hashes says the same', async (t) => {
  const service = await startService(t, { HASH_QUEUE: '0' })
  await service.signUp('mina')
  const flood = (ask: (index: number) => Promise<Response>) =>
    Promise.all(Array.from({ length: 9 }, (_, index) => ask(index)))
  const form = new URLSearchParams({ grant_type: 'password', username: 'mina', password: PASSWORD }).toString()
  const tokens = await flood(() =>
    service.post('/v1/token', form, { 'content-type': 'application/x-www-form-urlencoded' }),
  )
  t.strictSame(Object.keys(countBy(tokens, ({ statusCode }) => statusCode)), ['200', '503'])
  for (const answer of tokens.filter(({ statusCode }) => statusCode === 503)) {
    t.equal(answer.json().error, 'temporarily_unavailable')
    t.equal(answer.headers['retry-after'], '1')
  }
  const registrations = await flood((index) =>
    service.post('/v1/register', { username: `person-${index}`, password: PASSWORD }),
  )
  t.strictSame(Object.keys(countBy(registrations, ({ statusCode }) => statusCode)), ['201', '503'])
  for (const [index, answer] of registrations.entries()) {
    if (answer.statusCode === 503) assertOverloaded(t, answer)
    const retried = await service.post('/v1/register', { username: `person-${index}`, password: PASSWORD })
    t.equal(retried.statusCode, answer.statusCode === 503 ? 201 : 409, 'one that was turned away left nothing')
  }
})

t.test('a queue lets a burst wait instead', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off' })
  await service.signUp('mina')
  const answers = await Promise.all(Array.from({ length: 30 }, () => logIn(service, 'mina')))
  t.strictSame(
    countBy(answers, ({ statusCode }) => statusCode),
    { 200: 30 },
  )
})

function logIn(service: Service, username: string, password = PASSWORD): Promise<Response> {
  return service.post('/v1/login', { username, password })
}

function assertOverloaded(t: Test, answer: Response): void {
  t.match(answer.json(), { status: 503, code: 'hashing_overloaded' })
  t.equal(answer.headers['retry-after'], '1')
}

t.test('nobody is hashed for who has left, and leaving makes room', async (t) => {
  const queue = new HashQueue(2, availableParallelism())
  t.equal(queue.slots, 1)
  const done: string[] = []
  let finish = () => {}
  const running = queue.run(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve
      }),
  )
  let hasLeft = false
  const leaver = queue.run(async () => done.push('leaver'), { isGone: () => hasLeft })
  const patient = queue.run(async () => done.push('patient'))
  await t.rejects(
    queue.run(async () => done.push('refused')),
    { code: 'hashing_overloaded' },
  )
  hasLeft = true
  const late = queue.run(async () => done.push('late'))
  await t.rejects(leaver, { code: 'hashing_overloaded' })
  finish()
  await Promise.all([running, patient, late])
  t.strictSame(done, ['patient', 'late'])
})
