// On SQLite alone: the look of pages does not depend on the database.

import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import t from 'tap'
import { withoutBrowser as skip, startBrowser } from '../support/browser.js'
import { type Listening, startListening } from '../support/listening.js'
import { OWN_SIGHTS, sightsOf, visit } from './gallery.js'

const KIB = 1024
const PHONE = { width: 320, height: 640 }
const DESKTOP = { width: 1100, height: 760 }
const PAGE_CSP =
  "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'"
/** The largest body of each type, in bytes. */
const LIMITS = { document: 20 * KIB, stylesheet: 8 * KIB, script: 6 * KIB, image: 64 * KIB, other: 4 * KIB } as const

const AXE = '/axe.js'

/** Rules that a page can break in a single colour scheme or language. All other rules are checked once. */
const OF_BOTH = ['color-contrast', 'link-in-text-block', 'html-has-lang', 'label', 'button-name', 'link-name']

// A busy machine needs minutes instead of seconds.
t.setTimeout(600_000)

/** Faults and sizes seen while pages were open. */
interface Log {
  faults: string[]
  sizes: Map<string, number>
  pending: Promise<void>[]
}

t.test('every page is accessible, fits any screen, and loads from its own origin only', { skip }, async (t) => {
  const { service, address } = await startListening(t, {
    PUBLIC_URL: 'http://localhost:3000',
    ...{ EMAIL_LOGIN: 'on', MFA: 'required_for_admins' },
    ...{ MAIL_URL: 'smtp://127.0.0.1:9', MAIL_FROM: 'Shop <no-reply@example.com>' },
  })
  serveAxe(service)
  const sights = [...(await sightsOf(service)), ...OWN_SIGHTS]
  const browser = await startBrowser(t)
  const log: Log = { faults: [], sizes: new Map(), pending: [] }
  let seen = 0
  for (const locale of ['en-US', 'ko-KR']) {
    const page = await openPage(browser, { locale, address, log })
    for (const sight of sights) {
      await visit(page, address, sight)
      await page.addScriptTag({ url: AXE })
      t.equal(await page.evaluate('document.documentElement.lang'), locale.slice(0, 2), sight.name)
      // Each language uses both colour schemes and both sizes. Together, the languages cover all combinations.
      const isPhoneDark = locale === 'ko-KR'
      for (const size of [PHONE, DESKTOP]) {
        await page.setViewportSize(size)
        await page.emulateMedia({ colorScheme: (size === PHONE) === isPhoneDark ? 'dark' : 'light' })
        log.faults.push(
          ...(await faultsOf(page, size === PHONE && locale === 'en-US' ? [] : OF_BOTH)).map(
            (fault) => `${sight.name} ${locale} ${size.width}: ${fault}`,
          ),
        )
        seen += 1
      }
    }
  }
  await Promise.all(log.pending)
  t.same(log.faults, [])
  t.equal(seen, 4 * sights.length)
  t.ok(log.sizes.size > 2)
  for (const [what, bytes] of log.sizes) t.comment(`${what}: ${bytes} bytes at most`)
})

/** Serves axe as a file: Chromium compiles a fetched script once, but evaluated code on every page. */
function serveAxe({ app: { server } }: Listening['service']): void {
  const [answer] = server.listeners('request')
  server.removeAllListeners('request').on('request', (request, response) => {
    if (request.url !== AXE) return answer?.call(server, request, response)
    response.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'max-age=3600' }).end(axe.source)
  })
}

async function openPage(
  browser: Browser,
  { locale, address, log }: { locale: string; address: string; log: Log },
): Promise<Page> {
  const page = await browser.newPage({ locale, viewport: PHONE, reducedMotion: 'reduce' })
  page.setDefaultTimeout(15_000)
  page.on('pageerror', (error) => log.faults.push(error.message))
  page.on('console', (message) => {
    // A form with an error is displayed with status 400.
    const isStatus = /the server responded with a status of 40[0-9]/.test(message.text())
    if (message.type() === 'error' && !isStatus) log.faults.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${address}/`)) log.faults.push(`request to ${request.url()}`)
  })
  page.on('response', (response) => {
    // A redirect displays nothing.
    if ((response.status() >= 300 && response.status() < 400) || response.url() === `${address}${AXE}`) return
    const type = response.request().resourceType()
    if (type === 'document' && response.headers()['content-security-policy'] !== PAGE_CSP) {
      log.faults.push(`policy of ${response.url()}`)
    }
    const measure = response.body().then((body) => {
      log.sizes.set(type, Math.max(log.sizes.get(type) ?? 0, body.length))
      if (body.length > (LIMITS[type as keyof typeof LIMITS] ?? 0)) {
        log.faults.push(`${response.url()} has ${body.length} bytes, as ${type}`)
      }
    })
    // A body is no longer available once the browser has left the page.
    log.pending.push(measure.catch(() => {}))
  })
  return page
}

/** The faults of a page in its present state. */
async function faultsOf(page: Page, rules: readonly string[]): Promise<string[]> {
  const options = rules.length === 0 ? {} : { runOnly: [...rules] }
  const { violations, passes } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as axe.AxeResults
  const tooWide = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'))
  return [
    ...violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    ...(passes.length === 0 ? ['nothing was looked at'] : []),
    ...(tooWide > 0 ? [`${tooWide} px too wide`] : []),
  ]
}
