// On SQLite alone: the page only uses the HTTP API.

import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { PASSWORD, temporaryFolder } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { freePort, running } from './running.js'

// Follows the README of examples/react in a real browser: copies the example, installs from its lock file, and
// registers the client with its command.

t.setTimeout(180_000)

const run = promisify(execFile)
const README = readFileSync(join(packageRoot, 'examples', 'react', 'README.md'), 'utf8')
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const DEADLINE_MS = 30_000
const skip = existsSync(CHROMIUM) ? false : `no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`

t.test('a user logs in on the page of Latchkey, adds todos, refreshes tokens and logs out', { skip }, async (t) => {
  const port = await freePort()
  const app = await serveExample(t)
  const settings = { PORT: `${port}`, CORS_ORIGINS: app }
  const service = await serving(t, { settings })
  const latchkeyAddress = `http://localhost:${port}`
  const registered = await latchkey(t, registration(app), { folder: service.folder })
  t.equal(await registered.exit, 0, registered.stderr)
  await service.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })

  const page = await openPage(t, `${app}/?latchkey=${latchkeyAddress}`)
  const tokens = async () => JSON.parse(`${await page.evaluate("sessionStorage.getItem('tokens')")}`)
  const add = async (title: string) => {
    await page.fill('[name=title]', title)
    await page.press('[name=title]', 'Enter')
  }
  await page.click('text=Log in')
  await logIn(page, latchkeyAddress)
  await page.waitForSelector('b:has-text("mina")')
  t.equal(page.url(), `${app}/`, 'the code is gone from the address of the page')
  await add('from React')
  await page.waitForSelector('li:has-text("from React")')
  await page.reload()
  await page.waitForSelector('li:has-text("from React")')

  const first = await tokens()
  await page.evaluate(`sessionStorage.setItem('tokens', ${JSON.stringify(JSON.stringify({ ...first, expiresAt: 0 }))})`)
  await add('later')
  await page.waitForFunction(`!sessionStorage.getItem('tokens')?.includes('"expiresAt":0')`)
  await page.waitForSelector('li:has-text("from React")')
  const second = await tokens()
  t.not(second.access_token, first.access_token)
  t.not(second.refresh_token, first.refresh_token, 'the refresh token is rotated')

  await page.click('text=Log out')
  await page.waitForSelector('text=Log in')
  t.equal(page.url(), `${app}/`, 'Latchkey has sent the browser back')
  t.equal(await tokens(), null, 'no token is kept')
  const after = await service.request('GET', '/v1/me', { token: second.access_token })
  t.equal(after.status, 401, 'Latchkey has ended the session')
  await page.click('text=Log in')
  await logIn(page, latchkeyAddress)
  await page.waitForSelector('b:has-text("mina")')
})

/** Serves a copy of the example on a free port with its own `npm start`. */
async function serveExample(t: Test): Promise<string> {
  const port = await freePort()
  const folder = await temporaryFolder(t)
  cpSync(join(packageRoot, 'examples', 'react'), folder, {
    recursive: true,
    filter: (path) => !/node_modules|build$/.test(path),
  })
  await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder })
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
  writeFileSync(join(folder, 'package.json'), manifest.replace('5173', `${port}`))
  return running(t, ['npm', 'start'], { folder, port })
}

/** The arguments of the command in the README, with the port of this test. */
function registration(app: string): string[] {
  const [, command = ''] = /`latchkey ([^`]+)`/.exec(README.replaceAll('http://127.0.0.1:5173', app)) ?? []
  return [...command.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word)
}

async function openPage(t: Test, address: string): Promise<Page> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--headless', '--no-sandbox'] })
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  page.setDefaultTimeout(DEADLINE_MS)
  page.on('pageerror', (error) => t.fail(error.message))
  await page.goto(address)
  return page
}

async function logIn(page: Page, latchkeyAddress: string): Promise<void> {
  await page.waitForURL(`${latchkeyAddress}/authorize?**`)
  await page.fill('[name=username]', 'mina')
  await page.fill('[name=password]', PASSWORD)
  await page.press('[name=password]', 'Enter')
}
