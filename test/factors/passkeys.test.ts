import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { claimsOf, PASSWORD, Person, type Service, startService } from '../helper.js'
import { startSecond } from '../support/replica.js'
import { addTotp, ticketOf } from './people.js'
import { addPasskey, DEVICE_BOUND, ORIGIN, question, SoftwarePasskey, SYNCED } from './software-passkey.js'

t.setTimeout(120_000)

t.test('a passkey logs in without a user name, is a second factor, and re-authenticates its user', async (t) => {
  const service = await start(t)
  const mina = await service.signUp('mina')
  const before = await service.logIn('mina')
  const { passkey, id, recoveryCodes } = await addPasskey(mina)
  t.equal(recoveryCodes.length, 10, 'the first factor brings recovery codes')
  t.match((await service.post('/v1/refresh', { refresh_token: before.login.refresh_token })).json(), {
    code: 'invalid_grant',
  })
  t.match((await mina.get('/v1/me/factors')).json(), {
    items: [{ id, type: 'passkey', name: 'laptop', last_used_at: null }],
    recovery_codes_left: 10,
  })

  const alone = await logInWith(service, passkey)
  t.equal(alone.statusCode, 200, alone.payload)
  t.equal(alone.json().user.username, 'mina')
  t.same(claimsOf(alone.json().access_token).amr, ['swk', 'user', 'mfa'])
  t.ok((await new Person(service, alone.json()).get('/v1/me/factors')).json().items[0].last_used_at)

  const refused = await service.post('/v1/login', { username: 'mina', password: PASSWORD })
  t.match(refused.json(), { code: 'mfa_required', methods: ['passkey', 'recovery_code'] })
  const { ticket } = refused.json()
  const asked = await question(service, { ticket })
  t.match(asked, { allowCredentials: [{ id: passkey.id.toString('base64url'), transports: ['internal'] }] })
  const done = await service.post('/v1/login/factor', { ticket, passkey: passkey.get(asked) })
  t.equal(done.statusCode, 200, done.payload)
  t.same(claimsOf(done.json().access_token).amr, ['pwd', 'swk', 'user', 'mfa'])

  const person = new Person(service, done.json())
  const stepped = await person.post('/v1/reauthenticate', { passkey: passkey.get(await question(service)) })
  t.equal(stepped.statusCode, 200, stepped.payload)
  t.match((await person.post('/v1/reauthenticate', { current_password: PASSWORD })).json(), { code: 'mfa_required' })
  t.equal((await person.patch(`/v1/me/factors/${id}`, { name: 'old laptop' })).statusCode, 204)
  t.equal((await person.delete(`/v1/me/factors/${id}`)).statusCode, 204)
  t.match((await logInWith(service, passkey)).json(), { code: 'passkey_rejected' })
  t.equal((await service.post('/v1/login', { username: 'mina', password: PASSWORD })).statusCode, 200)
})

t.test('an invalid passkey answer is rejected, and the audit log says why', async (t) => {
  const service = await start(t)
  const { passkey, id } = await addPasskey(await service.signUp('mina'))
  const joon = await service.signUp('joon')
  const { passkey: joons } = await addPasskey(joon)
  const bound = new SoftwarePasskey({ flags: DEVICE_BOUND })
  await addPasskey(await service.signUp('sora'), bound)
  const ask = () => question(service)
  const answers: Record<string, () => Promise<object>> = {
    'another origin': async () => passkey.get(await ask(), { origin: 'https://evil.example' }),
    'the origin with another port': async () => passkey.get(await ask(), { origin: `${ORIGIN}:8443` }),
    'another RP ID': async () => passkey.get(await ask(), { rpId: 'evil.example' }),
    'a challenge of its own': async () => passkey.get({ challenge: Buffer.alloc(38, 7).toString('base64url') }),
    'a challenge that is too short': async () => passkey.get({ challenge: 'AAAA' }),
    'a challenge with another byte': async () => passkey.get({ challenge: flip((await ask()).challenge) }),
    'a challenge for a new passkey': async () => passkey.get((await joon.post('/v1/me/passkeys/options')).json()),
    'the type of a new passkey': async () => passkey.get(await ask(), { type: 'webauthn.create' }),
    'a frame of another site': async () => passkey.get(await ask(), { crossOrigin: true }),
    'a frame of a site with a name': async () =>
      passkey.get(await ask(), { crossOrigin: true, topOrigin: 'https://evil.example' }),
    "somebody else's user handle": async () => passkey.get(await ask(), { userHandle: joons.userHandle }),
    'a long origin of surrogate pairs': async () => passkey.get(await ask(), { origin: `https://${'🪴'.repeat(150)}` }),
    'the same, one further': async () => passkey.get(await ask(), { origin: `https://a${'🪴'.repeat(150)}` }),
    'no user handle': async () => passkey.get(await ask(), { userHandle: undefined }),
    'an unknown passkey': async () =>
      Object.assign(new SoftwarePasskey(), { userHandle: passkey.userHandle }).get(await ask()),
    'the id of another passkey': async () => {
      const answer = joons.get(await ask(), { userHandle: passkey.userHandle })
      return { ...answer, id: passkey.id.toString('base64url'), rawId: passkey.id.toString('base64url') }
    },
    'a user who was not verified': async () => flagged(passkey, SYNCED & ~0x04, await ask()),
    'a user who was not there': async () => flagged(passkey, SYNCED & ~0x01, await ask()),
    'backed up, although it cannot be': async () => flagged(passkey, DEVICE_BOUND | 0x10, await ask()),
    'no longer eligible for backup': async () => flagged(passkey, DEVICE_BOUND, await ask()),
    'eligible for backup all at once': async () => flagged(bound, SYNCED, await ask()),
    'a signature with another byte': async () => {
      const answer = passkey.get(await ask())
      return { ...answer, response: { ...answer.response, signature: flip(answer.response.signature, 12) } }
    },
    'no JSON': async () => {
      const answer = passkey.get(await ask())
      return { ...answer, response: { ...answer.response, clientDataJSON: 'AAAA' } }
    },
    'another rawId': async () => ({ ...passkey.get(await ask()), rawId: 'AAAA' }),
  }
  for (const [name, answer] of Object.entries(answers)) {
    const response = await service.post('/v1/login/passkey', { passkey: await answer() })
    t.equal(response.statusCode, 403, `${name}: ${response.payload}`)
    t.match(response.json(), { code: 'passkey_rejected' }, name)
    t.notMatch(response.payload, /evil|handle|counter/, `${name}: the response reveals nothing`)
  }
  const { db, tables } = service.app.database
  const failed = await db.select().from(tables.events).where(eq(tables.events.type, 'login.failed'))
  t.equal(failed.length, Object.keys(answers).length)
  t.match(failed[0]?.reason, /^passkey: .*origin "https:\/\/evil\.example"/)
  t.equal((await logInWith(service, passkey)).statusCode, 200, 'the passkey still works')
  t.equal((await logInWith(service, bound)).statusCode, 200)

  await db.update(tables.users).set({ isActive: false })
  t.match((await logInWith(service, passkey)).json(), { code: 'passkey_rejected' }, 'a disabled account')
  await db.update(tables.users).set({ isActive: true })
  await db.update(tables.factors).set({ rpId: 'old.example' }).where(eq(tables.factors.id, id))
  t.equal(await service.app.passkeys.countOrphans(), 1)
})

t.test('a passkey answer works once in two processes; a counter that falls is recorded, not rejected', async (t) => {
  const service = await start(t)
  const other = await startSecond(t, service)
  const mina = await service.signUp('mina')
  const { passkey, id } = await addPasskey(mina)
  const { db, tables } = service.app.database
  const answer = passkey.get(await question(service))
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      (index % 2 ? service : other).post('/v1/login/passkey', { passkey: answer }),
    ),
  )
  const codes = replies.map((reply) => (reply.statusCode === 200 ? 200 : reply.json().code)).sort()
  t.same(codes, [200, ...Array(19).fill('passkey_rejected')])
  t.equal((await db.select().from(tables.sessions)).length, 2, 'the sign-up and one log-in')
  t.match((await mina.post('/v1/reauthenticate', { passkey: answer })).json(), { code: 'passkey_rejected' })
  const ticket = await ticketOf(service, 'mina')
  t.match((await service.post('/v1/login/factor', { ticket, passkey: answer })).json(), { code: 'passkey_rejected' })

  const counts = async () => (await db.select().from(tables.factors).where(eq(tables.factors.id, id)))[0]?.counter
  for (const [counter, isFallen] of [
    [0, false],
    [7, false],
    [8, false],
    [3, true],
    [0, true],
  ] as const) {
    passkey.counter = counter
    const fallen = await eventsOf(service, 'passkey.counter_fell')
    t.equal((await logInWith(service, passkey)).statusCode, 200, `counter ${counter}`)
    t.equal(await counts(), counter)
    t.equal((await eventsOf(service, 'passkey.counter_fell')) - fallen, isFallen ? 1 : 0)
  }
  passkey.flags = SYNCED & ~0x10
  t.equal((await logInWith(service, passkey)).statusCode, 200, 'not backed up any more')
  const [row] = await db.select().from(tables.factors)
  t.match(row, { isBackedUp: false, isBackupEligible: true })

  await db.update(tables.usedChallenges).set({ expiresAt: Date.now() - 50_000 })
  await service.app.passkeys.prune()
  t.ok((await db.select().from(tables.usedChallenges)).length > 5, 'challenges are kept for clocks that run behind')
  await db.update(tables.usedChallenges).set({ expiresAt: Date.now() - 70_000 })
  await service.app.passkeys.prune()
  t.equal((await db.select().from(tables.usedChallenges)).length, 0)
})

t.test('a new passkey is accepted once, from the user who asked, for this origin and three algorithms', async (t) => {
  const service = await start(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const options = async (person: Person) => (await person.post('/v1/me/passkeys/options')).json()
  const send = async (person: Person, passkey: object) => {
    const { statusCode, payload } = await person.post('/v1/me/passkeys', { passkey })
    return statusCode === 201 ? 201 : JSON.parse(payload).code
  }
  for (const algorithm of [-7, -8, -257, -35, -36]) {
    const passkey = new SoftwarePasskey({ algorithm })
    const expected = algorithm === -35 || algorithm === -36 ? 'passkey_rejected' : 201
    t.equal(await send(mina, passkey.create(await options(mina))), expected, `algorithm ${algorithm}`)
    if (expected === 201) t.equal((await logInWith(service, passkey)).statusCode, 200, `log-in with ${algorithm}`)
  }
  const asked = await options(mina)
  t.match(asked, {
    rp: { id: 'latchkey.test' },
    attestation: 'none',
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  })
  t.equal(asked.excludeCredentials.length, 3)
  t.equal(asked.user.id, (await options(mina)).user.id, 'the user handle is the same')
  t.not(asked.user.id, (await options(joon)).user.id)
  t.notMatch(Buffer.from(asked.user.id, 'base64url').toString('latin1'), /mina/)

  const passkey = new SoftwarePasskey()
  const lies = [
    { origin: 'https://evil.example' },
    { rpId: 'evil.example' },
    { type: 'webauthn.get' },
    { crossOrigin: true, topOrigin: 'https://evil.example' },
    { challenge: Buffer.alloc(38, 7).toString('base64url') },
  ]
  for (const lie of lies) t.equal(await send(mina, passkey.create(asked, lie)), 'passkey_rejected', JSON.stringify(lie))
  t.equal(await send(mina, new SoftwarePasskey({ flags: 0x01 }).create(asked)), 'passkey_rejected', 'user not verified')
  t.equal(await send(joon, passkey.create(asked)), 'passkey_rejected', "the challenge of another user's session")
  const made = passkey.create(asked)
  t.equal(await send(mina, made), 201)
  t.equal(await send(mina, made), 'passkey_rejected', 'the same passkey again')
  t.equal(
    await send(joon, passkey.create(await options(joon))),
    'passkey_rejected',
    'the id of a passkey of another user',
  )
  t.equal((await logInWith(service, passkey)).json().code, 'passkey_rejected', "with joon's handle")

  for (let count = 4; count < 20; count += 1) await addPasskey(mina)
  t.match((await mina.post('/v1/me/passkeys/options')).json(), { code: 'too_many_factors' })
  t.match((await mina.post('/v1/me/totp')).json(), { code: 'too_many_factors' })
})

t.test('the attestation of a new passkey is not read, and its id must be that of its data', async (t) => {
  const service = await start(t)
  const mina = await service.signUp('mina')
  const send = async (create: (options: Parameters<SoftwarePasskey['create']>[0]) => object) => {
    const passkey = create((await mina.post('/v1/me/passkeys/options')).json())
    return mina.post('/v1/me/passkeys', { passkey })
  }
  // The library builds a path through the certificates of these formats, and fetches their revocation lists.
  for (const format of ['android-key', 'android-safetynet', 'apple', 'packed', 'tpm', 'fido-u2f']) {
    const passkey = new SoftwarePasskey()
    const made = await send((options) => passkey.createAttested(options, format))
    t.equal(made.statusCode, 201, `${format}: ${made.payload}`)
    t.equal((await logInWith(service, passkey)).statusCode, 200, format)
  }
  const long = Object.assign(new SoftwarePasskey(), { id: randomBytes(4_000) })
  for (const id of [long.id, long.id.subarray(0, 16)].map((bytes) => bytes.toString('base64url'))) {
    const made = await send((options) => ({ ...long.create(options), id, rawId: id }))
    t.equal(made.statusCode, id.length > 2_048 ? 400 : 403, made.payload)
  }
})

t.test('beside TOTP, a passkey works only for the log-in ticket and the step-up of its own user', async (t) => {
  const service = await start(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await addTotp(mina)
  const { passkey, recoveryCodes } = await addPasskey(mina)
  t.same(recoveryCodes, [], 'the account has recovery codes')
  const joons = await addPasskey(joon)
  const refused = await service.post('/v1/login', { username: 'mina', password: PASSWORD })
  t.same(refused.json().methods, ['totp', 'passkey', 'recovery_code'])
  const ticket = refused.json().ticket
  const asked = await question(service, { ticket })
  for (const body of [
    { ticket, passkey: joons.passkey.get(asked) },
    { ticket, passkey: passkey.get(asked, { userHandle: joons.passkey.userHandle }) },
  ]) {
    t.match((await service.post('/v1/login/factor', body)).json(), { code: 'passkey_rejected' })
  }
  t.match((await service.post('/v1/login/factor', { ticket, totp: '123456', passkey: passkey.get(asked) })).json(), {
    code: 'validation_failed',
  })
  t.match((await service.post('/v1/login/passkey/options', { ticket: 'AAAA' })).json(), { code: 'invalid_ticket' })
  t.match((await joon.post('/v1/reauthenticate', { passkey: passkey.get(await question(service)) })).json(), {
    code: 'passkey_rejected',
  })
  const handleless = passkey.get(await question(service, { ticket }), { userHandle: undefined })
  t.equal((await service.post('/v1/login/factor', { ticket, passkey: handleless })).statusCode, 200, 'user is known')
})

t.test('with an IP address as host, the passkey endpoints return 409, and TOTP can be added', async (t) => {
  const service = await startService(t, { PUBLIC_URL: 'http://127.0.0.1:3000' })
  const mina = await service.signUp('mina')
  for (const response of [
    await mina.post('/v1/me/passkeys/options'),
    await mina.post('/v1/me/passkeys', {
      passkey: new SoftwarePasskey().create({ challenge: 'AAAA', rp: { id: 'a' }, user: { id: 'a' } }),
    }),
    await service.post('/v1/login/passkey/options'),
    await service.post('/v1/login/passkey', { passkey: new SoftwarePasskey().get({ challenge: 'AAAA' }) }),
  ]) {
    t.match(response.json(), { code: 'passkeys_unavailable', status: 409 })
  }
  t.equal((await mina.post('/v1/me/totp')).statusCode, 201)
})

async function start(t: Test): Promise<Service> {
  return startService(t, { LOGIN_THROTTLE: 'off', PUBLIC_URL: ORIGIN })
}

async function logInWith(service: Service, passkey: SoftwarePasskey) {
  return service.post('/v1/login/passkey', { passkey: passkey.get(await question(service)) })
}

async function eventsOf({ app }: Service, type: string): Promise<number> {
  const { db, tables } = app.database
  return (await db.select().from(tables.events)).filter((event) => event.type === type).length
}

function flagged(passkey: SoftwarePasskey, flags: number, asked: { challenge: string }) {
  const before = passkey.flags
  passkey.flags = flags
  const answer = passkey.get(asked)
  passkey.flags = before
  return answer
}

/** The same base64url text with one bit of the byte at this position changed. */
function flip(text: string, at = 3): string {
  const bytes = Buffer.from(text, 'base64url')
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes.toString('base64url')
}
