import t, { type Test } from 'tap'
import type { Service } from '../helper.js'
import { startService } from '../helper.js'
import { latchkey } from '../support/child.js'
import { settingsOf, startSecond } from '../support/replica.js'

t.setTimeout(120_000)

const OLD = 'r8sYbQ2nT6uWx1ZcV4mKp9LdE3fGh7Ja'
const NEW = 'M5vJq0HtX7yRa2DkS9wNe4BgU6iPo1Lc'

t.test('the data key is random, the same in every replica, and survives a change of the secret', async (t) => {
  const [first, other] = [await startService(t, { SECRET_KEY: OLD }), await startService(t, { SECRET_KEY: OLD })]
  const key = keyOf(first)
  t.notSame(key, keyOf(other), 'the same secret does not give the same data key')
  t.notSame(key, first.app.dataKey.derive('recovery-code'), 'each use has a key of its own')
  t.same(keyOf(await startSecond(t, first)), key)
  await first.app.close()

  t.match(await list(t, first, `${OLD},${NEW}`), 'The first secret decrypts all keys.', 'with the old secret first')
  t.match(await list(t, first, `${NEW},${OLD}`), 'The old secrets are needed')
  const both = await restart(t, first, `${NEW},${OLD}`)
  t.same(keyOf(both), key)
  t.match(await list(t, both, `${NEW},${OLD}`), /decrypts all keys. Keep the old secrets until 20/)
  await both.app.close()
  const alone = await restart(t, first, NEW)
  t.same(keyOf(alone), key, 'without the old secret')
  await alone.app.close()
  await t.rejects(restart(t, first, OLD), { message: /cannot be decrypted/ })
})

t.test(
  'a data key that is sealed with another secret stops the start and is not replaced, so that no data is lost',
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

t.test('keys reseal encrypts the signing keys and the data key again, once', async (t) => {
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

t.test('keys rotate --now also encrypts the data key with the new secret', async (t) => {
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
