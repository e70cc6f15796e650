import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { packageRoot } from '../../src/package.js'
import { makeRefreshToken } from '../../src/tokens/refresh-tokens.js'
import type { DerivedKeys } from '../../src/tokens/secret.js'
import { claimsOf, type Person, type Service, startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { openForge, token } from '../support/forge.js'
import { signUpAdmin } from '../support/people.js'
import { bearer, settingsOf, startSecond, until } from '../support/replica.js'

const OLD = 'r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja'
const NEW = 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc'

// Commands run in processes of their own, which take seconds to start on a busy machine.
t.setTimeout(120_000)

t.test(
  'the recipe for a leaked SECRET_KEY ends every token that a thief made or can make, in all replicas',
  async (t) => {
    const first = await startService(t, { SECRET_KEY: OLD })
    const second = await startSecond(t, first)
    const [boss, mina] = [await signUpAdmin(first, 'boss'), await first.signUp('mina')]
    const thief = await steal(first, boss, mina)
    for (const service of [first, second]) {
      t.same(await reachOf(service, thief), { users: 200, refresh: 200 }, 'the tokens of the thief work at first')
      thief.generation += 1
    }

    const recipe = await readFile(join(packageRoot, 'docs', 'operations.md'), 'utf8')
    t.match(recipe, '`SECRET_KEY=new,old latchkey keys rotate --now`')
    const settings = { ...settingsOf(first), SECRET_KEY: `${NEW},${OLD}` }
    const rotated = await latchkey(t, ['keys', 'rotate', '--now'], { settings })
    t.equal(await rotated.exit, 0, rotated.stderr)
    for (const service of [first, second]) {
      await until(async () => (await reachOf(service, thief)).users === 401)
      t.same(await reachOf(service, thief), { users: 401, refresh: 503 }, 'no token is exchanged between the steps')
      t.match((await service.get('/readyz')).json(), { status: 503, detail: /No signing key/ })
    }
    await t.rejects(buildApp(loadConfig({ ...settings, SECRET_KEY: OLD, LOG_LEVEL: 'silent' })), {
      message: /cannot be decrypted/,
    })

    t.match(recipe, '`SECRET_KEY=new` alone')
    for (const { app } of [first, second]) await app.close()
    const third = await startService(t, { DATABASE_URL: first.app.config.DATABASE_URL, SECRET_KEY: NEW })
    const fourth = await startSecond(t, third)
    for (const service of [third, fourth]) {
      for (let generation = 0; generation <= thief.generation + 1; generation += 1) {
        t.same(
          await reachOf(service, { ...thief, generation }),
          { users: 401, refresh: 400 },
          `generation ${generation}`,
        )
      }
      t.equal((await service.get('/v1/me', bearer(mina.token))).statusCode, 401)
      t.equal((await service.get('/readyz')).statusCode, 200)
      t.equal((await service.get('/.well-known/jwks.json')).json().keys.length, 1)
      const back = await service.logIn('boss')
      t.equal((await back.get('/v1/users')).statusCode, 200, 'people log in again')
    }
  },
)

t.test('the recipe for a planned change of SECRET_KEY logs nobody out', { timeout: 100_000 }, async (t) => {
  const before = await startService(t, { SECRET_KEY: OLD })
  const mina = await before.signUp('mina')
  const settings = { ...settingsOf(before), SECRET_KEY: `${NEW},${OLD}` }
  await before.app.close()
  const during = await startService(t, settings)
  const resealed = await latchkey(t, ['keys', 'reseal'], { settings })
  t.equal(await resealed.exit, 0, resealed.stderr)
  t.match(
    resealed.stdout,
    'Everything is encrypted with the first secret already.',
    'the start has encrypted everything',
  )
  const { refresh_token } = (await during.post('/v1/refresh', { refresh_token: mina.login.refresh_token })).json()
  await during.app.close()
  const after = await startService(t, { ...settings, SECRET_KEY: NEW })
  t.equal((await after.get('/v1/me', bearer(mina.token))).statusCode, 200)
  t.equal((await after.post('/v1/refresh', { refresh_token })).statusCode, 200)
})

interface Thief {
  /** An access token of an admin, in a session that does not exist. */
  forged: string
  refreshKeys: DerivedKeys
  sessionId: string
  generation: number
}

/** What an attacker can create with the secret and a copy of the database. */
async function steal(service: Service, boss: Person, mina: Person): Promise<Thief> {
  const forge = await openForge(service, boss)
  return {
    forged: token(forge, { sid: randomUUID(), jti: randomUUID() }),
    refreshKeys: service.app.secret.derive('refresh-token'),
    sessionId: String(claimsOf(mina.token).sid),
    generation: 0,
  }
}

/** The responses to the attacker's tokens. */
async function reachOf(service: Service, { forged, refreshKeys, ...claims }: Thief) {
  const users = await service.get('/v1/users', bearer(forged))
  const refresh = await service.post('/v1/refresh', { refresh_token: makeRefreshToken(claims, refreshKeys) })
  return { users: users.statusCode, refresh: refresh.statusCode }
}
