// On SQLite alone: the length of texts is checked before any query.

import t, { type Test } from 'tap'
import { hashPassword, verifyPassword } from '../../src/passwords/hashes.js'
import { exampleOf, requestTo } from '../attacks/requests.js'
import { startService } from '../helper.js'
import { operationsOf } from '../support/operations.js'
import { hashOf } from '../support/stored-hashes.js'

// Attack: the time to normalise a run of combining marks grows with the square of its length. 60 kB of them blocked the
// event loop for half a second, so these tests measure how long the texts passed to `normalize` are.

t.setTimeout(300_000)

const BYTES = 60_000
const TEXTS: Record<string, string> = {
  'marks of one kind': '\u0345'.repeat(BYTES / 2),
  'marks of two kinds in turn': '\u0345\u0334'.repeat(BYTES / 4),
  'marks of many kinds': ['\u0345', '\u0360', '\u035c', '\u0315', '\u0300', '\u0316', '\u031b', '\u0321', '\u0334']
    .map((mark) => mark.repeat(BYTES / 18))
    .join(''),
  'letters that become eighteen': '\ufdfa'.repeat(BYTES / 3),
  'Hangul in pieces': '\u1112\u1161\u11ab'.repeat(BYTES / 9),
  'letters beyond the first plane': '\u{1d15e}'.repeat(BYTES / 4),
}
/** The longest name, after the first of two normalisations has expanded each character to 18. */
const LONGEST_NORMALISED = 320 * 18

/** Returns a function that returns the length of the longest text normalised in this thread since its last call. */
function watchNormalising(t: Test): () => number {
  const { normalize } = String.prototype
  let longest = 0
  String.prototype.normalize = function (this: string, form?: string) {
    longest = Math.max(longest, this.length)
    return normalize.call(this, form)
  }
  t.teardown(() => {
    String.prototype.normalize = normalize
  })
  return () => {
    const found = longest
    longest = 0
    return found
  }
}

t.test('no operation normalises a text before its length is known', async (t) => {
  const service = await startService(t, { LOGIN_THROTTLE: 'off', BODY_LIMIT: '1MiB' })
  const takeLongest = watchNormalising(t)
  let sent = 0
  for (const operation of operationsOf(service)) {
    const { token } = await service.signUp(`attacker.${operation.id.toLowerCase()}`.slice(0, 32))
    for (const [kind, text] of Object.entries(TEXTS)) {
      const bodies = operation.bodies.flatMap((schema) => {
        const names = Object.keys(schema.properties ?? {})
        const all = Object.fromEntries(names.map((name) => [name, text]))
        return [all, ...names.map((name) => ({ ...exampleOf(schema), [name]: text }))]
      })
      const requests = bodies.map((body) => requestTo(operation, { token, body }))
      for (const { name, in: place } of operation.parameters) {
        const request = requestTo(operation, { token })
        if (place === 'path') requests.push(requestTo(operation, { token, id: text }))
        const url = `${request.url}?${new URLSearchParams({ [name]: text })}`
        if (place === 'query') requests.push({ ...request, url })
        const headers = { ...request.headers, [name]: encodeURI(text) }
        if (place === 'header') requests.push({ ...request, headers })
      }
      for (const request of requests) {
        sent += 1
        const { statusCode } = await service.app.inject(request)
        const longest = takeLongest()
        if (longest > LONGEST_NORMALISED) t.fail(`${operation.id}, ${kind}: ${longest} were normalised`)
        if (statusCode >= 500) t.fail(`${operation.id}, ${kind}: ${statusCode}`)
      }
    }
    t.pass(operation.id)
  }
  t.ok(sent > 500, `${sent} requests`)
})

t.test('password hashing does not normalise a text that is longer than a password may be', async (t) => {
  const schemes = [
    { name: 'bcrypt', cost: 4 },
    { name: 'argon2id', memory: 64, passes: 1 },
  ] as const
  const stored = schemes.map((scheme) => hashPassword('three quiet lanterns', scheme))
  const takeLongest = watchNormalising(t)
  for (const scheme of schemes) {
    for (const text of Object.values(TEXTS)) {
      for (const hash of [...stored, undefined, 'no hash']) {
        t.match(verifyPassword(text, hash, scheme), { isRight: false, isOutdated: false })
      }
      t.throws(() => hashPassword(text, scheme), RangeError)
    }
  }
  t.equal(takeLongest(), 0)
})

/** Endpoints of the tutorials whose schemas do not limit the length of a password. */
const SIGN_UPS: [url: string, body: (password: string) => Record<string, string>][] = [
  ['/users/add_user/', (password) => ({ username: 'joon', password })],
  ['/register', (password) => ({ name: 'Joon', email: 'joon@example.com', password })],
]
const LOG_INS: [url: string, body: (password: string) => Record<string, string> | URLSearchParams][] = [
  ['/login', (password) => ({ username: 'mina', password })],
  ['/login/', (password) => ({ username: 'mina', password })],
  ['/token', (password) => new URLSearchParams({ username: 'mina', password })],
  ['/api/user/login', (password) => new URLSearchParams({ username: 'mina', password })],
]

t.test('a new password may have 256 characters of any kind, and a longer one is rejected', async (t) => {
  const service = await startService(t)
  for (const [url, body] of SIGN_UPS) {
    for (const [kind, text] of [...Object.entries(TEXTS), ['one more than allowed', 'x'.repeat(257)] as const]) {
      const { statusCode, payload } = await service.app.inject({ method: 'POST', url, payload: body(text) })
      t.ok(statusCode === 400 || statusCode === 422, `${url}: ${kind}`)
      t.match(payload, 'at most 256 characters', `${url}: ${kind}`)
    }
    const { statusCode } = await service.app.inject({ method: 'POST', url, payload: body('🏮'.repeat(256)) })
    t.equal(statusCode, 200, `${url}: 256 characters of 4 bytes`)
  }
})

t.test('a log-in with an overlong password gets 401, and counts as a failed log-in', async (t) => {
  const service = await startService(t, { BODY_LIMIT: '1MiB' })
  const mina = await service.signUp('mina')
  const stored = await hashOf(mina)
  for (const [url, body] of LOG_INS) {
    const seen: number[] = []
    for (let n = 0; n < 11; n += 1) {
      const fields = body(Object.values(TEXTS)[n % 6] ?? '')
      const isForm = fields instanceof URLSearchParams
      const headers = { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }
      const payload = isForm ? fields.toString() : JSON.stringify(fields)
      seen.push((await service.app.inject({ method: 'POST', url, headers, payload })).statusCode)
    }
    t.same(seen, [...Array(10).fill(401), 429], url)
    await service.app.database.db.delete(service.app.database.tables.throttle)
  }
  t.equal(await hashOf(mina), stored)
  await service.logIn('mina')
})

t.test('the command line rejects names and passwords that are too long', async (t) => {
  const service = await startService(t)
  for (const text of Object.values(TEXTS)) {
    for (const names of [{ username: text }, { email: text }, { username: 'mina', name: text }]) {
      await t.rejects(service.app.registration.create({ ...names, password: 'three quiet lanterns' }), {
        code: /_rejected|validation_failed/,
      })
    }
    await t.rejects(service.app.registration.create({ username: 'mina', password: text }), {
      code: 'password_rejected',
    })
  }
  const { db, tables } = service.app.database
  t.equal(await db.$count(tables.users), 0)
})

t.test('a malformed body of 1 MiB is rejected about as fast at /login as at /login/', async (t) => {
  const service = await startService(t, { BODY_LIMIT: '1MiB' })
  const payload = 'x'.repeat(2 ** 20)
  const headers = { 'content-type': 'application/json' }
  // The minimum of several runs: other load on the machine can only add to it.
  const leastOf = async (url: string) => {
    const taken: number[] = []
    for (let n = 0; n < 4; n += 1) {
      const startedAt = process.cpuUsage()
      const { statusCode } = await service.app.inject({ method: 'POST', url, headers, payload })
      const { user, system } = process.cpuUsage(startedAt)
      taken.push((user + system) / 1_000)
      t.equal(statusCode, 400)
    }
    return Math.min(...taken)
  }
  const [likeOthers, reads] = [await leastOf('/login/'), await leastOf('/login')]
  t.ok(reads < 10 * likeOthers + 50, `${reads} ms of CPU time, elsewhere ${likeOthers} ms`)
})
