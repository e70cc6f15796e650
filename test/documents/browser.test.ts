// On SQLite alone: the page does not depend on the database.

import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { PASSWORD } from '../helper.js'
import { withoutBrowser as skip, startBrowser } from '../support/browser.js'
import { startListening } from '../support/listening.js'

// Uses the page at /docs as a newcomer would, in a real browser. SCREENSHOT=docs/images/docs-page.png stores a picture.

const DEADLINE_MS = 15_000

// On a busy machine these take longer than tap's half minute.
t.setTimeout(180_000)

// The subtests share a service and a browser: a browser needs seconds to compile the page, but only the first time.
t.test('the page at /docs', { skip }, async (t) => {
  const { service, address } = await startListening(t)
  const context = await (await startBrowser(t)).newContext({ viewport: { width: 1280, height: 1000 } })

  await t.test('a newcomer registers, authorizes, and makes a todo, with nothing but the page', async (t) => {
    const { page, requests, errors } = await openPage(t, context, `${address}/docs`)

    t.equal(await page.title(), 'Latchkey API')
    t.equal(await execute(page, 'me', 'getMe'), '401', 'without a token')
    t.equal(await execute(page, 'auth', 'register'), '201', 'with the example as it stands')
    await authorize(page, 'mina', PASSWORD)
    t.equal(await execute(page, 'me', 'getMe'), '200')
    t.equal(await execute(page, 'todos', 'createTodo'), '201', 'with the example as it stands')
    t.equal(await execute(page, 'todos', 'listTodos'), '200')
    t.equal(await execute(page, 'tutorials', 'createTutorial'), '201', 'with the example as it stands')

    const kept = await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie')
    t.equal(kept, '{}', 'neither the password nor a token is kept')
    t.same(errors, [], 'no error in the console but the refusal that was asked for')
    t.ok(requests.length > 10)
    t.same(
      requests.filter((url) => !url.startsWith(`${address}/`) && !url.startsWith('data:')),
      [],
      'no request leaves the host',
    )
    if (process.env.SCREENSHOT) await takePicture(page, `${address}/docs`, process.env.SCREENSHOT)
  })

  await t.test('the page shows the other documents too', async (t) => {
    const { page, errors } = await openPage(t, context, `${address}/docs?urls.primaryName=The+five+tutorials`)
    t.equal(await execute(page, 'fastapi-todo', 'fastapiTodoReadRoot'), '200')
    await page.selectOption('.download-url-wrapper select', { label: 'Latchkey v1 (OpenAPI 3.0)' })
    t.equal(await execute(page, 'health', 'getLiveness'), '200')
    t.same(errors, [])
  })

  // Frees the user name of the example for the next test.
  await service.app.accounts.delete(1, { id: null })
  await t.test('on a phone the page is not too wide and has the walkthrough in both languages', async (t) => {
    const { page, errors } = await openPage(t, context, `${address}/docs`)
    await page.setViewportSize({ width: 390, height: 844 })
    await page.locator('#operations-auth-register').waitFor()
    const tooWide = () => page.evaluate('document.documentElement.scrollWidth - innerWidth')
    t.ok(Number(await tooWide()) <= 0, 'the list of operations')
    t.equal(await execute(page, 'auth', 'register'), '201')
    await page.locator('#operations-auth-register .opblock-summary-control').click()
    t.ok(Number(await tooWide()) <= 0, 'an open operation')
    for (const words of ['First steps', '첫걸음'])
      t.equal(await page.locator('.info').getByText(words).count(), 1, words)
    const color = await page.evaluate("getComputedStyle(document.querySelector('.topbar')).backgroundColor")
    t.equal(color, 'rgb(26, 86, 196)', 'the top bar has the colour of the project')
    t.same(errors, [])
    if (process.env.SCREENSHOT_PHONE) {
      await page.evaluate('scrollTo(0, 0)')
      await page.screenshot({ path: process.env.SCREENSHOT_PHONE })
    }
  })
})

async function openPage(
  t: Test,
  context: BrowserContext,
  url: string,
): Promise<{ page: Page; requests: string[]; errors: string[] }> {
  const page = await context.newPage()
  t.teardown(() => page.close())
  page.setDefaultTimeout(DEADLINE_MS)
  const requests: string[] = []
  const errors: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    const isRefusal = message.location().url.endsWith('/v1/me') && message.text().includes('401')
    if (message.type() === 'error' && !isRefusal) errors.push(message.text())
  })
  await page.goto(url)
  return { page, requests, errors }
}

/** Opens an operation, presses Execute, and returns the status that the page displays. */
async function execute(page: Page, tag: string, operationId: string): Promise<string> {
  const operation = page.locator(`#operations-${tag}-${operationId}`)
  if ((await operation.locator('.execute').count()) === 0) await operation.locator('.opblock-summary-control').click()
  await operation.locator('.execute').click()
  const status = await operation.locator('.live-responses-table .response-col_status').last().textContent()
  await operation.locator('.btn-clear').click()
  await operation.locator('.opblock-summary-control').click()
  return status?.trim() ?? ''
}

async function authorize(page: Page, username: string, password: string): Promise<void> {
  await page.locator('.scheme-container .authorize').click()
  await page.fill('#oauth_username', username)
  await page.fill('#oauth_password', password)
  await page.getByRole('button', { name: 'Apply given OAuth2 credentials' }).click()
  await page.getByRole('button', { name: 'Remove authorization' }).waitFor()
  await page.locator('.btn-done').first().click()
}

async function takePicture(page: Page, url: string, path: string): Promise<void> {
  await page.goto(url)
  await page.locator('#operations-auth-register').waitFor()
  await mkdir(dirname(path), { recursive: true })
  await page.screenshot({ path })
}
