// On SQLite alone: how applications use the protocol; code-flow.test.ts runs on both.

import { existsSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Registration } from '../../src/clients/registration.js'
import { packageRoot } from '../../src/package.js'
import { freePort, running, runs } from '../examples/running.js'
import { PASSWORD, startService, temporaryFolder } from '../helper.js'
import { Visitor } from '../support/cookie-jar.js'
import { registerClient } from '../support/oauth.js'

// Typical applications, each in its own process. A user logs in, opens the account and logs out.

t.setTimeout(120_000)

const APPLICATIONS = join(packageRoot, 'test', 'oauth', 'relying-parties')
const PYTHON = '/usr/bin/python3'
const APACHE = '/usr/sbin/apache2'
const MODULE = '/usr/lib/apache2/modules/mod_auth_openidc.so'
const WITHOUT_PYTHON = runs(PYTHON, '-c', 'import flask, authlib, requests')
  ? false
  : 'no authlib: apt-get install python3-flask python3-authlib python3-requests'
const WITHOUT_APACHE =
  existsSync(APACHE) && existsSync(MODULE) ? false : `no ${MODULE}: apt-get install libapache2-mod-auth-openidc`
const SCOPE = 'openid profile email offline_access'
/** The user that Apache switches to if root starts it. */
const APACHE_USER = 'www-data'

t.test('Flask with Authlib: log-in, UserInfo, refresh, log-out', { skip: WITHOUT_PYTHON }, async (t) => {
  const { visitor, at, logIn } = await start(t, [PYTHON, '-m', 'flask', '--app', 'flask_shop', 'run', '--port'])
  t.match(await logIn('/login'), { user: { preferred_username: 'mina', amr: ['pwd'] } })
  t.match(await at('/userinfo'), { preferred_username: 'mina' })
  t.match(await at('/refresh'), { preferred_username: 'mina', is_new: true })
  t.same(await at('/logout'), { user: null })
  await visitor.open(`${at.address}/login`)
  t.match(visitor.page.body, 'name="password"', 'the browser is logged out, and the application asks again')
})

t.test('Express with Auth.js: log-in, UserInfo, refresh, log-out', async (t) => {
  const { visitor, at, logIn } = await start(t, [process.execPath, 'auth-js.mjs'])
  await visitor.open(`${at.address}/auth/signin`)
  const { session } = await logIn(undefined)
  t.match(session.token, { provider: 'latchkey', profile: { preferred_username: 'mina' }, refreshes: Number })
  t.notOk('error' in session.token)
  const [first, again] = [await at('/auth/session'), await at('/auth/session')]
  t.equal(again.token.refreshes, first.token.refreshes + 1)
  t.not(again.token.access_token, session.token.access_token)
  t.same(await at('/logout'), { session: null })
  await visitor.open(`${at.address}/auth/signin`)
  await visitor.submit({})
  t.match(visitor.page.body, 'name="password"', 'the browser is logged out, and the application asks again')
})

t.test('Express with passport-openidconnect: log-in, UserInfo, log-out', async (t) => {
  const { visitor, at, logIn } = await start(t, [process.execPath, 'passport.mjs'], { require_pkce: false })
  t.match(
    await logIn('/login'),
    { user: { username: 'mina' } },
    'the profile comes from UserInfo, which the strategy requests',
  )
  t.match(await at('/'), { user: { username: 'mina' } })
  t.same(await at('/logout'), { user: null })
  await visitor.open(`${at.address}/login`)
  t.match(visitor.page.body, 'name="password"', 'the browser is logged out, and the application asks again')
})

t.test('Apache with mod_auth_openidc: log-in, UserInfo, refresh, log-out', { skip: WITHOUT_APACHE }, async (t) => {
  const { visitor, at } = await start(t, [APACHE, '-D', 'FOREGROUND', '-f', join(APPLICATIONS, 'apache.conf')])
  await visitor.open(`${at.address}/inside/`)
  await visitor.submit({ username: 'mina', password: PASSWORD })
  t.match([visitor.page.status, visitor.page.body], [200, 'inside'])
  const info = await at('/callback?info=json')
  t.match(info, { userinfo: { preferred_username: 'mina' }, id_token: { amr: ['pwd'] }, refresh_token: /^lkr_/ })
  const back = encodeURIComponent(`${at.address}/`)
  await visitor.open(`${at.address}/callback?refresh=${back}&access_token=${encodeURIComponent(info.access_token)}`)
  const again = await at('/callback?info=json')
  t.not(again.access_token, info.access_token)
  t.match(again.userinfo, { preferred_username: 'mina' })
  await visitor.open(`${at.address}/callback?logout=${back}`)
  t.equal(visitor.page.url.href, `${at.address}/`)
  await visitor.open(`${at.address}/inside/`)
  t.match(visitor.page.body, 'name="password"', 'the browser is logged out, and the page asks again')
})

/**
 * A service on a socket, an application that is its client, and mina's browser. The port is the last argument of the
 * command.
 */
async function start(t: Test, command: string[], registration: Partial<Registration> = {}) {
  const [here, port] = [await freePort(), await freePort()]
  const issuer = `http://localhost:${here}`
  const address = `http://127.0.0.1:${port}`
  const service = await startService(t, { PUBLIC_URL: issuer })
  await service.app.listen({ host: 'localhost', port: here })
  await service.signUp('mina')
  const callbacks = ['/callback', '/auth/callback/latchkey']
  const { secret } = await registerClient(service, 'shop', {
    ...{ redirect_uris: callbacks.map((path) => `${address}${path}`), post_logout_redirect_uris: [`${address}/`] },
    ...{ grant_types: ['authorization_code', 'refresh_token'], scope: SCOPE, first_party: true, ...registration },
  })
  const settings = { ISSUER: issuer, SECRET: secret, PORT: String(port), ...(await folderOfApache(t)) }
  const words = command[0] === PYTHON ? [...command, String(port)] : command
  await running(t, words, { folder: APPLICATIONS, port, settings })
  const visitor = new Visitor()
  const at = async (path: string) => {
    await visitor.open(`${address}${path}`)
    return JSON.parse(visitor.page.body)
  }
  at.address = address
  /** Opens the start address of the application, and logs in on the page that it leads to. */
  const logIn = async (path: string | undefined) => {
    if (path === undefined) await visitor.submit({})
    else await visitor.open(`${address}${path}`)
    if (!visitor.page.body.includes('name="password"')) throw new Error(`no log-in page: ${visitor.page.body}`)
    await visitor.submit({ username: 'mina', password: PASSWORD })
    return JSON.parse(visitor.page.body)
  }
  return { visitor, at, logIn }
}

async function folderOfApache(t: Test) {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'www', 'inside'), { recursive: true })
  for (const name of ['', 'inside']) await writeFile(join(folder, 'www', name, 'index.html'), name || 'outside')
  await chmod(folder, 0o755)
  return { FOLDER: folder, WHO: APACHE_USER }
}
