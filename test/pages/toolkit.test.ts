// On SQLite alone: pages do not depend on the database.

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { contrast } from '../../src/config/colors.js'
import { loadConfig } from '../../src/config/config.js'
import { button, checkbox, field, hidden } from '../../src/pages/forms.js'
import { html } from '../../src/pages/html.js'
import { languageOf } from '../../src/pages/languages.js'
import { sentenceOf } from '../../src/pages/refusals.js'
import { stylesFor } from '../../src/pages/styles.js'
import { PROBLEMS, Problem, type ProblemCode } from '../../src/problems.js'
import { startService, temporaryFolder } from '../helper.js'
import { open, submit, WITH_PAGES } from '../mail/links.js'

const HOSTILE = `"><script>alert('1')</script>&`
const PAGE_CSP =
  "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'"

t.test('text is escaped when it is put into a page', async (t) => {
  const parts = [
    html`<p title="${HOSTILE}">${HOSTILE}</p>`,
    field({ name: 'n', label: HOSTILE, value: HOSTILE, hint: HOSTILE }),
    hidden('n', HOSTILE),
    checkbox('n', HOSTILE),
    button(HOSTILE),
  ]
  for (const { text } of parts) {
    t.notMatch(text, /<script|"">|'1'/)
    t.match(text, /&#60;script/)
  }
  t.equal(
    html`<ul>${['a', '<'].map((item) => html`<li>${item}</li>`)}</ul>${undefined}${false}`.text,
    '<ul><li>a</li><li>&#60;</li></ul>',
  )
})

t.test('a page is in the language that Accept-Language prefers', async (t) => {
  const cases: Record<string, string> = {
    '': 'en',
    ko: 'ko',
    'ko-KR,ko;q=0.9,en;q=0.8': 'ko',
    'en-US,en;q=0.9,ko;q=0.8': 'en',
    'de, ko;q=0.5': 'ko',
    'de;q=0.9, fr': 'en',
    'en;q=0.1, KO;q=0.7': 'ko',
    'ko;q=0': 'en',
    '*': 'en',
    ';;;q=x,,': 'en',
  }
  for (const [header, expected] of Object.entries(cases))
    t.equal(languageOf({ 'accept-language': header }), expected, header)
  const service = await startService(t, WITH_PAGES)
  const page = await open(service, 'https://x/account/reset', { 'accept-language': 'ko' })
  t.match(page.body, /<html lang="ko">/)
  t.equal(page.headers['content-language'], 'ko')
})

t.test('pages have their own security headers, and load one small stylesheet', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const page = await open(service, 'https://x/account/reset')
  t.match(page.headers, {
    'cache-control': 'no-store',
    'content-security-policy': PAGE_CSP,
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  })
  t.notMatch(page.body, /<script>|style=|javascript:|http:/)
  const [, address = ''] = /href="([^"]+\.css[^"]*)"/.exec(page.body) ?? []
  const styles = await open(service, `https://x${address}`)
  t.match(styles.headers, { 'content-type': 'text/css; charset=utf-8', 'cache-control': /immutable/ })
  t.ok(styles.body.length <= 8 * 1024)
  const [, icon = ''] = /rel="icon"[^>]* href="([^"]+)"/.exec(page.body) ?? []
  t.match((await open(service, `https://x${icon}`)).headers, { 'content-type': 'image/svg+xml' })
})

t.test('pages show the name, the logo and the colour of the brand; unusable settings are rejected', async (t) => {
  const folder = await temporaryFolder(t)
  const [svg, text, large] = ['logo.svg', 'logo.txt', 'large.svg'].map((name) => join(folder, name))
  const picture = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
  await writeFile(svg ?? '', picture)
  await writeFile(text ?? '', `not ${picture}`)
  await writeFile(large ?? '', `<svg>${' '.repeat(64 * 1024)}</svg>`)
  const brand = { BRAND_NAME: 'Kim & Söhne', BRAND_LOGO: svg ?? '', BRAND_COLOR: '#0B6E4F' }
  const service = await startService(t, { ...WITH_PAGES, ...brand })
  const page = await open(service, 'https://x/account/reset')
  t.match(page.body, /<title>Set a new password &middot; Kim &#38; Söhne<\/title>/)
  const [, address = ''] = /<img src="([^"]+)" alt="">/.exec(page.body) ?? []
  const logo = await open(service, `https://x${address}`)
  t.equal(logo.body, picture)
  t.match(logo.headers, { 'content-type': 'image/svg+xml', 'content-security-policy': /default-src 'none'.*sandbox/ })
  const [, styles = ''] = /href="([^"]+\.css[^"]*)"/.exec(page.body) ?? []
  t.match((await open(service, `https://x${styles}`)).body, /--accent: #0B6E4F/)
  t.match((await open(service, 'https://x/account/icon.svg')).body, /#0B6E4F/)
  const plain = await startService(t, WITH_PAGES)
  t.notMatch((await open(plain, 'https://x/account/reset')).body, styles, 'another colour has another stylesheet URL')
  t.equal((await open(plain, 'https://x/account/logo')).statusCode, 404)

  const wrong: [Record<string, string>, RegExp][] = [
    [
      { BRAND_COLOR: '#ffcc00' },
      /BRAND_COLOR "#ffcc00" is too pale for white text: its contrast is 1\.3, but 4\.5 is required/,
    ],
    [{ BRAND_COLOR: 'green' }, /BRAND_COLOR must be a colour such as #1a56c4/],
    [{ BRAND_COLOR: '#1a56c4;}' }, /must be a colour/],
    [{ BRAND_NAME: 'x'.repeat(61) }, /BRAND_NAME must be at most 60/],
    [{ BRAND_LOGO: text ?? '' }, /BRAND_LOGO must be an SVG or PNG file/],
    [{ BRAND_LOGO: large ?? '' }, /BRAND_LOGO must be a file of at most 64 KiB/],
    [{ BRAND_LOGO: join(folder, 'none.svg') }, /BRAND_LOGO ".+none\.svg" cannot be read: ENOENT/],
    [{ BRAND_LOGO: folder }, /BRAND_LOGO ".+" cannot be read: it is not a file/],
  ]
  for (const [env, message] of wrong) t.throws(() => loadConfig(env), { message })
})

t.test('text is readable on any brand colour', async (t) => {
  const value = (styles: string, name: string) => [...styles.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6})`, 'gi'))]
  for (const BRAND_COLOR of ['', '#000000', '#0b6e4f', '#b00020', '#6a1b9a', '#7a5c00', '#1b1f24', '#0000ff']) {
    const styles = stylesFor({ BRAND_COLOR })
    const [accents, hovers, letters, cards] = ['accent', 'accent-hover', 'on-accent', 'card'].map((name) =>
      value(styles, name).map(([, color = '']) => color),
    )
    for (const scheme of [0, 1]) {
      const pair = (one: string[] | undefined, other: string[] | undefined) =>
        contrast(one?.[scheme] ?? '', other?.[scheme] ?? '')
      t.ok(pair(accents, letters) >= 4.5, `${BRAND_COLOR} ${scheme} buttons`)
      t.ok(pair(hovers, letters) >= 4.5, `${BRAND_COLOR} ${scheme} buttons under the pointer`)
      t.ok(pair(accents, cards) >= 4.5, `${BRAND_COLOR} ${scheme} links`)
    }
  }
})

t.test('forms are accepted from our own pages, and from clients that are not browsers', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const cases: [headers: Record<string, string>, isTaken: boolean][] = [
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
    [{ 'sec-fetch-site': 'same-site', origin: WITH_PAGES.PUBLIC_URL }, false],
    [{ 'sec-fetch-site': 'cross-site' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ origin: WITH_PAGES.PUBLIC_URL }, true],
    [{ origin: 'https://login.example.com.evil.example' }, false],
    [{ origin: 'http://login.example.com' }, false],
    [{ origin: 'null' }, false],
    [{}, true],
  ]
  for (const [headers, isTaken] of cases) {
    const { statusCode, body } = await submit(
      service,
      '/account/reset',
      { token: 'x', new_password: 'y'.repeat(9) },
      headers,
    )
    t.equal(statusCode, isTaken ? 400 : 403, JSON.stringify(headers))
    t.match(body, isTaken ? /not valid, was used/ : /another site/)
  }
})

t.test('an error on a page is answered with a page', async (t) => {
  const service = await startService(t, WITH_PAGES)
  const answers = [
    await open(service, 'https://x/account/reset?token=nonsense'),
    await submit(service, '/account/reset', {}),
    await submit(service, '/account/reset', { new_password: 'x', token: 'y'.repeat(129) }),
    await service.app.inject({ method: 'POST', url: '/account/reset', payload: { token: 'x' } }),
  ]
  for (const { statusCode, headers, body } of answers) {
    t.ok(statusCode >= 400 && statusCode < 500)
    t.match(headers['content-type'], /text\/html/)
    t.match(body, /<h1>That did not work<\/h1>/)
    t.notMatch(body, /nonsense|yyy/)
  }
})

t.test('an unknown address under /account returns a page in the language of the browser', async (t) => {
  const service = await startService(t, WITH_PAGES)
  for (const url of ['/account/unknown', '/account/login/', '/account/sessions/7', '/account/%00']) {
    const answer = await service.app.inject({ url, headers: { 'accept-language': 'ko' } })
    t.match(answer, { statusCode: 404, headers: { 'content-type': /^text\/html/, 'content-language': 'ko' } }, url)
    t.match(answer.payload, '찾을 수 없습니다', url)
  }
  const post = await service.app.inject({ method: 'POST', url: '/account/unknown' })
  t.match(post, { statusCode: 405, headers: { allow: 'GET, HEAD' } })
})

t.test('every problem that a page can show has a Korean text', async (t) => {
  const folders = ['routes/account', 'src/pages']
  const files = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8'))),
  )
  const texts = await Promise.all(files.flat())
  const named = texts.flatMap((text) => [...text.matchAll(/'([a-z]+(?:_[a-z]+)+)'/g)].map(([, word = '']) => word))
  const codes = [...new Set(named)].filter((word): word is ProblemCode => Object.hasOwn(PROBLEMS, word))
  t.ok(codes.length > 20)
  const unsaid = sentenceOf(new Problem('request_timeout'), 'ko')
  // The first two continue the log-in, and the others redirect to it.
  const led = ['mfa_required', 'mfa_enrollment_required', 'missing_token', 'invalid_token', 'reauthentication_required']
  const missing = codes.filter((code) => sentenceOf(new Problem(code), 'ko') === unsaid && !led.includes(code))
  t.same(missing, [])
})

t.test('pages return 404 over http, except on localhost, and with PAGES=off', async (t) => {
  const rows = [
    [{ PUBLIC_URL: 'http://login.example.com' }, 404],
    [{ PUBLIC_URL: 'https://login.example.com', PAGES: 'off' }, 404],
    [{ PUBLIC_URL: 'http://localhost:3000' }, 200],
    [{ PUBLIC_URL: 'http://127.0.0.1:3000' }, 200],
    [{ PUBLIC_URL: 'https://login.example.com/auth' }, 200],
  ] as const
  for (const [settings, expected] of rows) {
    const service = await startService(t, settings)
    for (const path of ['reset', 'styles.css', 'icon.svg']) {
      t.equal((await open(service, `https://x/account/${path}`)).statusCode, expected, `${settings.PUBLIC_URL} ${path}`)
    }
    if (settings.PUBLIC_URL.endsWith('/auth')) {
      const { body } = await open(service, 'https://x/account/reset')
      t.match(body, /action="\/auth\/account\/reset"/)
      t.match(body, /href="\/auth\/account\/styles\.css/)
    }
  }
})
