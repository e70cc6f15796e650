import t, { type Test } from 'tap'
import type { Service } from '../helper.js'
import { startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { settingsOf, startSecond } from '../support/replica.js'

t.setTimeout(120_000)

const OLD = 'r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja'
const NEW = 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc'

t.test('the data key is random, the same in every replica, and outlives the secret', async (t) => {
  const [first, other] = [await startService(t, { SECRET_KEY: OLD }), await startService(t, { SECRET_KEY: OLD })]
  const key = keyOf(first)
  t.notSame(key, keyOf(other), 'the same secret, and another key')
  t.notSame(key, first.app.dataKey.derive('recovery-code'), 'each use has a key of its own')
  t.same(keyOf(await startSecond(t, first)), key)
  await first.app.close()

  t.match(await list(t, first, `${OLD},${NEW}`), 'The first secret opens everything.', 'the first round')
  t.match(await list(t, first, `${NEW},${OLD}`), 'The old secrets are needed')
  const both = await restart(t, first, `${NEW},${OLD}`)
  t.same(keyOf(both), key)
  t.match(await list(t, both, `${NEW},${OLD}`), /opens everything. The old secrets may go on 20/)
  await both.app.close()
  const alone = await restart(t, first, NEW)
  t.same(keyOf(alone), key, 'the old secret is gone')
  await alone.app.close()
  await t.rejects(restart(t, first, OLD), { message: /do not open/ })
})

t.test(
  'a data key that another secret sealed is no reason to make a new one: what hangs on it would be lost',
  async (t) => {
    const service = await startService(t, { SECRET_KEY: OLD })
    const { db, tables } = service.app.database
    const key = keyOf(service)
    await db.delete(tables.signingKeys)
    await service.app.close()
    await t.rejects(restart(t, service, NEW), { message: /data key.*"new,old"/ })
    const again = await restart(t, service, `${NEW},${OLD}`)
    t.same(keyOf(again), key)
  },
)

t.test('keys reseal seals both kinds anew, once', async (t) => {
  const service = await startService(t, { SECRET_KEY: OLD })
  const key = keyOf(service)
  t.match(
    await keys(t, service, 'reseal', `${NEW},${OLD}`),
    /^Encrypted [\w-]{43} again\.\nEncrypted the data key again\.\n$/,
  )
  t.match(await keys(t, service, 'reseal', `${NEW},${OLD}`), 'already')
  await service.app.close()
  t.same(keyOf(await restart(t, service, NEW)), key)
})

t.test('after a leak, the command that ends all signing keys also takes the data key along', async (t) => {
  const service = await startService(t, { SECRET_KEY: OLD })
  const key = keyOf(service)
  const child = await latchkey(t, ['keys', 'rotate', '--now'], {
    settings: { ...settingsOf(service), SECRET_KEY: `${NEW},${OLD}` },
  })
  t.equal(await child.exit, 0, child.stderr)
  await service.app.close()
  t.same(keyOf(await restart(t, service, NEW)), key)
})

function keyOf({ app }: Service): Buffer {
  return app.dataKey.derive('totp-secret')
}

function restart(t: Test, service: Service, secret: string): Promise<Service> {
  return startService(t, { ...settingsOf(service), SECRET_KEY: secret })
}

function list(t: Test, service: Service, secret: string): Promise<string> {
  return keys(t, service, 'list', secret)
}

async function keys(t: Test, service: Service, action: string, secret: string): Promise<string> {
  const child = await latchkey(t, ['keys', action], { settings: { ...settingsOf(service), SECRET_KEY: secret } })
  t.equal(await child.exit, 0, child.stderr)
  return action === 'list' ? child.stderr : child.stdout
}
