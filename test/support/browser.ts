import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import type { Test } from 'tap'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const QUIET = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map((what) => `--disable-${what}`)

/** The reason to skip a test that needs a browser; false where a browser is installed. */
export const withoutBrowser = existsSync(CHROMIUM)
  ? false
  : `no browser at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`

/** Starts a browser, which is closed after the test. */
export async function startBrowser(t: Test): Promise<Browser> {
  // The pages are not displayed: a separate GPU process would cost more than it draws.
  const args = ['--headless', '--no-sandbox', '--no-first-run', '--in-process-gpu', ...QUIET]
  const browser = await chromium.launch({ executablePath: CHROMIUM, args })
  t.teardown(() => browser.close())
  return browser
}
