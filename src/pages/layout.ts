import { readLogo } from '../config/brand.js'
import type { Config } from '../config/config.js'
import { publicPath } from '../config/public-url.js'
import { serviceName } from '../mail/composer.js'
import { Html, html } from './html.js'
import type { Locale } from './languages.js'
import { PAGE_SCRIPT } from './page-script.js'
import { accentOf, stylesFor, versionOf } from './styles.js'

const DOCTYPE = '<!doctype html>\n'
const KEY = new Html(keyIn('currentColor', 'aria-hidden="true"'))

/** The favicon. Browsers request one even if a page does not name it. */
export function iconFor(config: Config): string {
  return keyIn(accentOf(config), 'xmlns="http://www.w3.org/2000/svg"')
}

/** A page before the layout is added. */
export interface Page {
  title: string
  body: Html
  status?: number
  /** For lists, which need a wider page. */
  isWide?: boolean
}

/** The common data of all pages of a service. */
export interface Site {
  /** The name of the service. */
  name: string
  /** The path under which browsers see the service, without a trailing slash. */
  path: string
  /** The addresses of the stylesheet, the script and the logo, each with its version. */
  styles: string
  script: string
  logo?: string
}

export function siteOf(config: Config): Site {
  const path = publicPath(config)
  const logo = readLogo(config.BRAND_LOGO)
  return {
    name: serviceName(config),
    path,
    styles: `${path}/account/styles.css?v=${versionOf(stylesFor(config))}`,
    script: `${path}/account/script.js?v=${versionOf(PAGE_SCRIPT)}`,
    ...(logo !== undefined && { logo: `${path}/account/logo?v=${versionOf(logo.bytes)}` }),
  }
}

/** The complete HTML of a page. It loads only the stylesheet, the script, the icon and the logo. */
export function layout({ title, body, ...page }: Page, { name, path, ...site }: Site, locale: Locale): string {
  const { logo } = site
  return (
    DOCTYPE +
    html`<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} &middot; ${name}</title>
<link rel="icon" type="image/svg+xml" href="${path}/account/icon.svg">
<link rel="stylesheet" href="${site.styles}">
<script src="${site.script}" defer></script>
</head>
<body>
<div class="page${page.isWide && ' wide'}">
<header class="brand">${logo === undefined ? KEY : html`<img src="${logo}" alt="">`}<span>${name}</span></header>
<main class="card">
<h1>${title}</h1>
${body}
</main>
</div>
</body>
</html>
`.text
  )
}

function keyIn(color: string, attribute: string): string {
  return `<svg ${attribute} viewBox="0 0 24 24" fill="none" stroke="${color}" stroke-width="2.2" stroke-linecap="round"><circle cx="7" cy="12" r="4"/><path d="M11 12h10m-2.2 0v3.6M15 12v2.6"/></svg>`
}
