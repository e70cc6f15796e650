// On SQLite alone: the build runs on a SQLite file.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { ORIGIN, SoftwarePasskey } from '../factors/software-passkey.js'
import { PASSWORD, startService } from '../helper.js'
import { serving } from '../support/child.js'
import { routesOf, without } from '../support/router.js'

// Most tests run the compiled sources. This file, and all tests that start a process, run the build that is shipped.

t.setTimeout(240_000)

t.test('the build serves its documents, every way to log in, and the tutorials API', async (t) => {
  const address = 'https://login.test'
  const service = await serving(t, { settings: { METRICS: 'public', PUBLIC_URL: address } })
  for (const document of ['openapi.json', 'openapi-3.0.json', 'openapi-compat.json']) {
    const committed = JSON.parse(await readFile(join(packageRoot, document), 'utf8'))
    const served = JSON.stringify((await service.request('GET', `/${document}`)).body)
    // The addresses in the committed documents are relative.
    const relative = served.replaceAll(`"${address}"`, '"/"').replaceAll(`"${address}/`, '"')
    t.same(JSON.parse(relative), committed, document)
  }
  const register = (username: string) =>
    service.request('POST', '/v1/register', {
      body: { username, email: `${username}@example.com`, password: PASSWORD },
    })
  const { body: mina } = await register('mina')
  const { body: joon } = await register('joon')
  const common = await service.request('POST', '/v1/register', { body: { username: 'ara', password: 'password1234' } })
  t.match([common.status, common.body], [400, { code: 'password_rejected' }])

  const form = async (path: string, fields: Record<string, string>) => {
    const answer = await fetch(service.address + path, { method: 'POST', body: new URLSearchParams(fields) })
    return { status: answer.status, body: await answer.json() }
  }
  const named = { username: 'mina', password: PASSWORD }
  const endpoints = [
    await form('/v1/token', { grant_type: 'password', ...named }),
    await form('/v1/token', { grant_type: 'refresh_token', refresh_token: mina.refresh_token }),
    await form('/token', named),
    await form('/api/user/login', named),
    await service.request('POST', '/login/', { body: named }),
    await service.request('POST', '/login', { body: named }),
    await service.request('POST', '/login', { body: { email: 'mina@example.com', password: PASSWORD } }),
  ]
  for (const { status, body } of endpoints) {
    t.equal(status, 200)
    t.equal((await service.request('GET', '/v1/me', { token: body.access_token })).body.id, mina.user.id)
  }
  const tutorial = { name: 'Knots', description: 'Eight of them' }
  const { body: made } = await service.request('POST', '/tutorials', { token: mina.access_token, body: tutorial })
  t.match((await service.request('GET', '/v1/tutorials', { token: mina.access_token })).body, { items: [tutorial] })
  t.match((await service.request('GET', '/v1/tutorials', { token: joon.access_token })).body, { items: [] })
  t.equal((await service.request('GET', `/v1/tutorials/${made.id}`, { token: joon.access_token })).status, 404)

  for (const path of ['/docs', '/docs/static/swagger-ui-bundle.js', '/docs/yaml', '/metrics']) {
    t.equal((await fetch(service.address + path)).status, 200, path)
  }
})

// The bundle contains a list of the routes, but the sources read the folder (src/routes.ts).
t.test('the build has every route of the sources', async (t) => {
  const settings = { METRICS: 'public', RATE_LIMIT: 'off' }
  // Both on localhost, so that both serve the pages.
  const own = { ...settings, PUBLIC_URL: 'http://localhost:3000' }
  const [built, sources] = [await serving(t, { settings }), await startService(t, own)]
  const routes = routesOf(sources.app)
  t.ok(routes.length > 90, `${routes.length} routes`)
  for (const route of routes) {
    const { method, url } = without(route)
    const { statusCode } = await sources.app.inject({ method, url })
    const { status } = await fetch(built.address + url, { method, redirect: 'manual' })
    t.equal(status, statusCode, `${method} ${url}`)
  }
})

/** Makes Node record every file that it imports. */
const HOOK = `import { appendFileSync } from 'node:fs'
export const load = (url, context, next) => (appendFileSync('loaded.txt', url + '\\n'), next(url, context))`
const LISTS_FILES = `data:text/javascript,${encodeURIComponent(
  `import { register } from 'node:module'\nregister(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HOOK)}`)})`,
)}`

/** A file that is not pure ASCII takes twice the memory, and longer to read. Small files do not matter. */
const SMALL_FILE = 100_000

t.test('a start loads no large file that is not ASCII, and no passkey library before the first passkey', async (t) => {
  const service = await serving(t, { settings: { PUBLIC_URL: ORIGIN }, nodeOptions: ['--import', LISTS_FILES] })
  const loaded = async () => {
    const urls = [...new Set((await readFile(join(service.folder, 'loaded.txt'), 'utf8')).split('\n'))]
    const files = urls.filter((url) => url.startsWith('file:') && url.includes('/dist/'))
    return Promise.all(files.map((file) => readFile(new URL(file), 'utf8')))
  }
  const withLibrary = (files: string[]) => files.filter((text) => text.includes('MetadataService')).length
  const named = { username: 'mina', password: PASSWORD }
  const { body } = await service.request('POST', '/v1/register', { body: named })
  t.equal((await service.request('POST', '/v1/login', { body: named })).status, 200)
  const before = await loaded()
  const large = before.filter(({ length }) => length > SMALL_FILE)
  t.ok(large.length > 2)
  t.same(
    large.flatMap((text) => text.match(/.{0,40}\P{ASCII}.{0,40}/u) ?? []),
    [],
    'write &middot; in a page, or \\u00b7',
  )
  t.equal(withLibrary(before), 0)
  const token = body.access_token
  const { body: options } = await service.request('POST', '/v1/me/passkeys/options', { token, body: {} })
  t.equal(withLibrary(await loaded()), 0)
  const passkey = new SoftwarePasskey().create(options)
  t.equal((await service.request('POST', '/v1/me/passkeys', { token, body: { name: 'laptop', passkey } })).status, 201)
  t.equal(withLibrary(await loaded()), 1)
})
