import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { TokenPurpose } from '../../src/accounts/one-time-codes.js'
import { OneTimeTokens } from '../../src/accounts/one-time-tokens.js'
import type { Secret } from '../../src/tokens/secret.js'
import { countBy, type Service, startService } from '../helper.js'

t.setTimeout(120_000)
const IP = '192.0.2.7'
const ADDRESS = 'mina@example.org'
const PURPOSES = ['password_reset'] as const
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

t.test('a code is accepted in any spelling and void after five wrong tries, while its link stays valid', async (t) => {
  const service = await startService(t)
  const { id } = await service.signUp('mina')
  const made = await create(service, { userId: id, target: ADDRESS })
  t.match(made.code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
  const spelled = made.code.toLowerCase().replace('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')
  const full = [...made.code].map((letter) => (letter === '-' ? letter : wide(letter))).join('')
  for (const code of [made.code, spelled, full]) {
    const grant = await byCode(service, code)
    t.equal(grant.user.id, id, code)
    await service.app.oneTimeTokens.giveBack(grant)
  }
  const wrong = Array.from({ length: 8 }, (_, n) => byCode(service, `0000-000${n}`).catch(({ code }) => code))
  t.same(countBy(await Promise.all(wrong), String), { invalid_reset_token: 8 })
  t.equal((await rows(service))[0]?.tries, 5, 'of eight wrong codes at once, five are compared')
  await t.rejects(byCode(service, made.code), { code: 'invalid_reset_token' })
  const grant = await byToken(service, made.token)
  await use(service, grant)
  await t.rejects(use(service, grant), { code: 'invalid_reset_token' })
  t.same(await rows(service), [])
})

t.test('a code is valid only for its address and purpose, and never if its token has no address', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const made = await create(service, { userId: mina.id, target: ADDRESS })
  const handed = await create(service, { userId: joon.id })
  for (const target of ['joon@example.org', '', 'mina@example.or']) {
    for (const { code } of [made, handed]) {
      const shown = { target, code }
      await t.rejects(service.app.oneTimeTokens.find(PURPOSES, shown, IP), { code: 'invalid_reset_token' }, target)
    }
  }
  await t.rejects(service.app.oneTimeTokens.find(['email_change'], { target: ADDRESS, code: made.code }, IP), {
    code: 'invalid_one_time_token',
  })
  t.same(
    (await rows(service)).map(({ tries }) => tries),
    [0, 0],
  )
})

t.test('a token is void once the user, address, purpose, expiry or id in its row was changed', async (t) => {
  const service = await startService(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const { db, tables } = service.app.database
  const changes = [
    { userId: joon.id },
    { target: 'joon@example.org' },
    { purpose: 'invitation' },
    { expiresAt: Date.now() + DAY_MS },
    { id: randomBytes(16).toString('base64url') },
  ] as const
  for (const change of changes) {
    const { token } = await create(service, { userId: mina.id, target: ADDRESS })
    const grant = await byToken(service, token)
    await db.update(tables.oneTimeTokens).set(change)
    await t.rejects(
      service.app.oneTimeTokens.find(['password_reset', 'invitation'], { token }, IP),
      { code: 'invalid_reset_token' },
      JSON.stringify(change),
    )
    await t.rejects(use(service, grant), { code: 'invalid_reset_token' }, `${JSON.stringify(change)}, once found`)
    await db.delete(tables.oneTimeTokens)
  }
})

t.test('a token cannot be derived from the table or the outbox without the secret', async (t) => {
  const service = await startService(t)
  const { id: userId } = await service.signUp('mina')
  const { token, code } = await create(service, { userId, target: ADDRESS })
  const guesser = new OneTimeTokens(service.app.database, secretsOf('of another installation'))
  const [row] = await rows(service)
  const guess = await service.app.database.transaction((db) => guesser.again(db, row?.id ?? ''))
  t.ok(guess !== undefined && guess.token !== token && guess.code !== code)
  await t.rejects(byToken(service, guess?.token ?? ''), { code: 'invalid_reset_token' })
  t.notMatch(JSON.stringify(row), token.slice(30))
})

t.test('a token of an old secret is valid as long as that secret is in the list', async (t) => {
  const service = await startService(t)
  const { id: userId } = await service.signUp('mina')
  const { database } = service.app
  const before = new OneTimeTokens(database, secretsOf('old'))
  const made = await database.transaction((db) => before.create(db, { purpose: 'password_reset', userId, target: 'a' }))
  const during = new OneTimeTokens(database, secretsOf('new', 'old'))
  const after = new OneTimeTokens(database, secretsOf('new'))
  for (const shown of [{ token: made?.token ?? '' }, { target: 'a', code: made?.code ?? '' }]) {
    t.equal((await during.find(PURPOSES, shown, IP)).user.id, userId)
    await t.rejects(after.find(PURPOSES, shown, IP), { code: 'invalid_reset_token' })
  }
})

t.test('only the token requested last is valid, and an expired token is rejected', async (t) => {
  const service = await startService(t)
  const { id: userId } = await service.signUp('mina')
  const now = Date.now()
  const second = await create(service, { userId, createdAt: now - 1_000 })
  t.equal(
    await tryCreate(service, { userId, createdAt: now - 2_000 }),
    undefined,
    'a delayed mail does not replace a newer token',
  )
  t.equal((await byToken(service, second.token)).user.id, userId)
  const third = await create(service, { userId, createdAt: now })
  await t.rejects(byToken(service, second.token))
  await byToken(service, third.token)
  await service.app.database.db.delete(service.app.database.tables.oneTimeTokens)
  const old = await create(service, { userId, target: ADDRESS, createdAt: now - HOUR_MS })
  await t.rejects(byToken(service, old.token))
  await t.rejects(byCode(service, old.code))
  await create(service, { userId, createdAt: now - HOUR_MS / 2 })
})

const LIFETIMES_MS: Record<TokenPurpose, number> = {
  password_reset: HOUR_MS,
  email_verification: DAY_MS,
  email_change: DAY_MS,
  email_undo: 7 * DAY_MS,
  invitation: 7 * DAY_MS,
  login: 10 * MINUTE_MS,
  enrollment: HOUR_MS,
  enrollment_link: DAY_MS,
}

t.test('a link and its code are valid for a lifetime by purpose, from ten minutes to seven days', async (t) => {
  const service = await startService(t)
  const { id: userId } = await service.signUp('mina')
  for (const [name, lifetimeMs] of Object.entries(LIFETIMES_MS)) {
    const purpose = name as TokenPurpose
    const madeAt = (ageMs: number) =>
      create(service, { purpose, userId, target: ADDRESS, createdAt: Date.now() - ageMs })
    const find = (shown: { token: string } | { target: string; code: string }) =>
      service.app.oneTimeTokens.find([purpose], shown, IP)
    const old = await madeAt(lifetimeMs + 1)
    await t.rejects(find({ token: old.token }), `${purpose}: the link has expired`)
    await t.rejects(find({ target: ADDRESS, code: old.code }), `${purpose}: the code has expired`)
    const young = await madeAt(lifetimeMs - MINUTE_MS)
    t.equal((await find({ token: young.token })).user.id, userId, purpose)
    t.equal((await find({ target: ADDRESS, code: young.code })).user.id, userId, purpose)
  }
})

t.test('the undo token of the first change of address stays valid for a week, whatever changes follow', async (t) => {
  const service = await startService(t)
  const { id: userId } = await service.signUp('mina')
  const almostAWeekAgo = Date.now() - 7 * DAY_MS + MINUTE_MS
  const first = await create(service, { purpose: 'email_undo', userId, target: ADDRESS, createdAt: almostAWeekAgo })
  t.equal(await tryCreate(service, { purpose: 'email_undo', userId, target: 'thief@example.org' }), undefined)
  const shown = { token: first.token }
  t.equal((await service.app.oneTimeTokens.find(['email_undo'], shown, IP)).row.target, ADDRESS)
})

t.test('a network can try a hundred codes, and then gets too_many_attempts', async (t) => {
  const service = await startService(t)
  const answers = []
  for (let n = 0; n < 101; n += 1) answers.push(await byCode(service, '00000000').catch(({ code }) => code))
  t.same(countBy(answers, String), { invalid_reset_token: 100, too_many_attempts: 1 })
  t.equal(await byCode(service, '00000000', '198.51.100.7').catch(({ code }) => code), 'invalid_reset_token')
})

interface Wish {
  purpose?: TokenPurpose
  userId: number
  target?: string
  createdAt?: number
}

function tryCreate({ app }: Service, wish: Wish) {
  return app.database.transaction((db) => app.oneTimeTokens.create(db, { purpose: 'password_reset', ...wish }))
}

async function create(service: Service, wish: Wish) {
  const made = await tryCreate(service, wish)
  if (made === undefined) throw new Error('none was made')
  return made
}

function byCode({ app }: Service, code: string, ip = IP) {
  return app.oneTimeTokens.find(PURPOSES, { target: ADDRESS, code }, ip)
}

function byToken({ app }: Service, token: string) {
  return app.oneTimeTokens.find(PURPOSES, { token }, IP)
}

function use({ app }: Service, grant: Awaited<ReturnType<typeof byToken>>) {
  return app.database.transaction((db) => app.oneTimeTokens.use(db, grant))
}

function rows({ app }: Service) {
  const { oneTimeTokens } = app.database.tables
  return app.database.db.select().from(oneTimeTokens)
}

/** The fullwidth form of a letter, as East Asian keyboards type it. */
function wide(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) + 0xfee0)
}

function secretsOf(newest: string, ...older: string[]): Secret {
  const keyOf = (name: string, purpose: string) => Buffer.from(`${name} ${purpose}`)
  return { derive: (purpose) => [keyOf(newest, purpose), ...older.map((name) => keyOf(name, purpose))] }
}
