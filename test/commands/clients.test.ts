// On SQLite alone: the commands run on a SQLite file.

import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Person, startService, temporaryFolder } from '../helper.js'
import { call } from '../support/calls.js'
import { latchkey } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

t.test('clients are registered, changed and deleted on the command line', async (t) => {
  const { run, settings } = await installation(t)
  const made = JSON.parse((await run('create', 'billing', '--name', 'Billing', '--scope', 'invoices:write')).stdout)
  t.match(made, { client_id: 'billing', client_name: 'Billing', scope: 'invoices:write', client_secret: /^lks_/ })
  const rotated = JSON.parse((await run('rotate', 'billing')).stdout)
  t.match(rotated, { secrets: 2, client_secret: /^lks_/ })
  t.not(rotated.client_secret, made.client_secret)
  t.match(JSON.parse((await run('rotate', 'billing', '--now')).stdout), { secrets: 1, client_secret: /^lks_/ })
  t.equal(made.require_pkce, true)
  t.match(JSON.parse((await run('update', 'billing', '--pkce', 'optional')).stdout), { require_pkce: false })
  t.match(JSON.parse((await run('disable', 'billing')).stdout), { is_active: false })
  const listed = await run('list')
  t.match(JSON.parse(listed.stdout), { client_id: 'billing' })
  t.notMatch(listed.stdout, /lks_/)
  const deleted = await latchkey(t, ['clients', 'delete', 'billing'], { settings })
  t.equal(await deleted.exit, 0, deleted.stderr)
  t.equal((await run('list')).stdout, '')
})

t.test('client settings can be cleared again on the command line', async (t) => {
  const { run, settings } = await installation(t)
  const folder = await temporaryFolder(t)
  const keys = join(folder, 'jwks.json')
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(keys, JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }))
  const [callback, home, api] = ['https://app.example/callback', 'https://app.example/', 'https://api.example']
  const addresses = ['--redirect-uri', callback, '--post-logout-redirect-uri', home, '--resource', api]
  const others = ['--auth', 'private_key_jwt', '--jwks', keys, '--scope', 'openid', '--first-party']
  const made = JSON.parse((await run('create', 'shop', '--name', 'Shop', ...addresses, ...others)).stdout)
  const given = { redirect_uris: [callback], post_logout_redirect_uris: [home], resources: [api], first_party: true }
  t.match(made, { ...given, scope: 'openid', jwks: { keys: [{ kty: 'EC' }] } })
  const { stdout } = await call(['clients', 'show', 'shop'], { settings })
  const shown = new Set(stdout.replaceAll(/ +/g, ' ').split('\n'))
  for (const line of ['client_id shop', `redirect_uris ${callback}`, 'require_pkce true', 'secrets 0'])
    t.ok(shown.has(line), line)
  const emptied = ['--scope', '--resource', '--redirect-uri', '--post-logout-redirect-uri']
  const taken = [...emptied.flatMap((option) => [option, '']), '--no-first-party']
  const now = JSON.parse((await run('update', 'shop', ...taken, '--grant', 'client_credentials')).stdout)
  const nothing = { redirect_uris: [], post_logout_redirect_uris: [], resources: [], first_party: false }
  t.same(now, { ...now, ...nothing, scope: '' })
  const publicNow = ['--auth', 'none', '--jwks', '', '--grant', 'authorization_code', '--redirect-uri', callback]
  t.match(JSON.parse((await run('update', 'shop', ...publicNow)).stdout), { jwks: null })
})

t.test('a rejected clients command prints the reason and changes nothing', async (t) => {
  const { run } = await installation(t)
  const refused: [string[], number, RegExp][] = [
    [['show', 'nobody'], 1, /there is no client "nobody"/],
    [['create', 'latchkey', '--name', 'X'], 1, /is reserved for the service itself/],
    [['create', 'billing', '--name', 'X', '--scope', 'a  b'], 1, /one space between/],
    [['create', 'billing'], 64, /missing option --name/],
    [['create', 'billing', '--name', 'X', '--grant', 'password'], 64, /--grant must be one of authorization_code/],
    [['create', 'billing', '--name', 'X', '--auth', 'none', '--pkce', 'optional'], 1, /clients that authenticate/],
    [['create', 'billing', '--name', 'X', '--pkce', 'off'], 64, /--pkce must be one of required, optional/],
    [['create', 'x', '--name', 'X', '--first-party', '--no-first-party'], 64, /cannot be used together/],
    [['rotate'], 64, /missing argument <client_id>/],
    [['update', 'billing'], 64, /nothing to change/],
  ]
  await Promise.all(
    refused.map(async ([args, code, says]) => {
      const ended = await run(...args)
      t.match({ code: ended.code, stderr: ended.stderr }, { code, stderr: says }, args.join(' '))
    }),
  )
  t.equal((await run('list')).stdout, '')
})

t.test('the command line lists and revokes the API keys of any user', async (t) => {
  const folder = await temporaryFolder(t)
  const DATABASE_URL = `sqlite:${join(folder, 'latchkey.db')}`
  const service = await startService(t, { DATABASE_URL })
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const make = async (person: Person, name: string) =>
    (await person.post('/v1/me/api-keys', { name, scope: 'profile', expires_at })).json()
  const [backup, report, other] = [await make(mina, 'backup'), await make(mina, 'report'), await make(joon, 'other')]
  const run = (...args: string[]) => call(['api-keys', ...args], { settings: { DATABASE_URL } })
  const listed = await latchkey(t, ['api-keys', 'list', 'mina'], { settings: { DATABASE_URL } })
  t.equal(await listed.exit, 0, listed.stderr)
  t.match(listed.stdout, `${backup.id}  expires ${expires_at}  never used  profile  backup`)
  t.match(listed.stdout, report.id)
  t.notMatch(listed.stdout, new RegExp(`lkk_|${other.id}`))
  const json = (await run('list', 'joon', '--json')).stdout
  t.match(JSON.parse(json), { id: other.id, name: 'other', scope: 'profile', expires_at, last_used_at: null })
  t.match(
    await run('revoke', 'mina', other.id),
    { code: 1, stderr: /mina .*has no API key/ },
    'the key belongs to another user',
  )
  t.match(await run('revoke', 'mina'), { code: 64, stderr: /missing argument <id>/ })
  t.match(await run('list', 'nobody'), { code: 1 })
  t.match(await run('revoke', 'mina', backup.id), { code: 0, stdout: `Revoked ${backup.id}.` })
  await service.app.apiKeys.poll()
  const opens = async ({ key }: { key: string }) =>
    (await service.get('/v1/me', { authorization: `Bearer ${key}` })).statusCode
  t.same([await opens(backup), await opens(report), await opens(other)], [401, 200, 200])
  t.same(JSON.parse((await run('revoke', 'mina', '--all', '--json')).stdout), { revoked: [report.id] })
  await service.app.apiKeys.poll()
  t.same([await opens(report), await opens(other)], [401, 200])
})

/** An installation, and a function that runs `latchkey clients` on it. */
async function installation(t: Test) {
  const folder = await temporaryFolder(t)
  const DATABASE_URL = `sqlite:${join(folder, 'latchkey.db')}`
  await startService(t, { DATABASE_URL })
  const settings = { DATABASE_URL }
  return { settings, run: (...args: string[]) => call(['clients', ...args, '--json'], { settings }) }
}
