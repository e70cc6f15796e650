// On SQLite alone: the script of the pages.

import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { addTotp } from '../factors/people.js'
import { PASSWORD } from '../helper.js'
import { withoutBrowser as skip, startBrowser } from '../support/browser.js'
import { startListening } from '../support/listening.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(120_000)

t.test('a form that is submitted twice is sent once, and its response is shown', { skip }, async (t) => {
  const { page, origin, service } = await open(t)
  const joon = await addTotp(await service.signUp('joon'))
  await page.goto(`${origin}/account/login`)
  await fill(page, { username: 'joon', password: PASSWORD })
  t.equal(await submitTwice(page), 1)
  await fill(page, { code: joon.wrongCode() })
  t.equal(await submitTwice(page), 1)
  await page.waitForSelector('[role=alert]')
  await fill(page, { code: joon.code() })
  t.equal(await submitTwice(page), 1, 'the next page sends its form')
  t.equal(page.url(), `${origin}/account`)

  await page.goto(`${origin}/account/password`)
  await fill(page, { current_password: PASSWORD, new_password: 'four louder lanterns' })
  t.equal(await submitTwice(page), 1)
  t.match(await page.locator('[role=status]').textContent(), /./)
  t.equal(await page.locator('[role=alert]').count(), 0)
})

t.test('a form can be sent again after its user went back, and after some seconds on its page', { skip }, async (t) => {
  const { page, origin } = await open(t)
  await page.clock.install()
  await page.goto(`${origin}/account/login`)
  const wrong = { username: 'mina', password: 'wrong' }
  await fill(page, wrong)
  t.equal(await submitTwice(page), 1)
  await page.goBack()
  await fill(page, wrong)
  t.equal(await submitTwice(page), 1)

  let sent = 0
  await page.route('**/account/login?**', (route) => {
    sent += 1
    return route.fulfill({ status: 204 })
  })
  await fill(page, wrong)
  // Resolves once the page has made another request: the browser has sent that of the form by then, if there is one.
  const press = () =>
    page.evaluate('document.querySelector("main form button").click(); fetch("/account/icon.svg").then(() => {})')
  await press()
  await press()
  t.equal(sent, 1)
  await page.clock.fastForward(10_000)
  await press()
  t.equal(sent, 2)
})

async function open(t: Test) {
  const port = String(await freePort())
  const origin = `http://localhost:${port}`
  const { service } = await startListening(t, { PORT: port, PUBLIC_URL: origin })
  await service.signUp('mina')
  const page = await (await startBrowser(t)).newPage({ locale: 'en-US' })
  page.setDefaultTimeout(20_000)
  return { page, origin, service }
}

async function fill(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(fields)) await page.fill(`[name="${name}"]`, text)
}

/** Submits a form twice before its response, and waits for the next page. Resolves to the number of requests. */
async function submitTwice(page: Page): Promise<number> {
  let sent = 0
  let answer = () => {}
  const isClickedTwice = new Promise<void>((resolve) => {
    answer = resolve
  })
  await page.route('**', async (route) => {
    if (route.request().method() === 'POST') {
      sent += 1
      await isClickedTwice
    }
    await route.continue()
  })
  const [arrival, second] = [page.waitForNavigation(), page.waitForEvent('console')]
  // The timer starts in the page: Playwright waits for a navigation before it evaluates anything else.
  await page.evaluate(`{
    const button = document.querySelector('main form button')
    button.click()
    setTimeout(() => { button.click(); console.log('clicked twice') }, 50)
  }`)
  await second
  answer()
  await arrival
  await page.unroute('**')
  return sent
}
