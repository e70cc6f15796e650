import type { Config } from '../config/config.js'
import { publicPath } from '../config/public-url.js'
import { serviceName } from '../mail/composer.js'
import { Html, html } from './html.js'
import type { Locale } from './languages.js'
import { STYLES_VERSION } from './styles.js'

const DOCTYPE = '<!doctype html>\n'
const KEY = new Html(keyIn('currentColor', 'aria-hidden="true"'))
/** The icon of a tab. Browsers ask for one, whether a page names it or not. */
export const ICON = keyIn('#1a56c4', 'xmlns="http://www.w3.org/2000/svg"')

/** A page as its route writes it. */
export interface Page {
  title: string
  body: Html
  status?: number
  /** For lists, which need room. */
  isWide?: boolean
}

/** What all pages of a service have in common. */
export interface Site {
  /** What the service is called. */
  name: string
  /** The path under which browsers see it, without a slash at its end. */
  path: string
}

/** What the pages of this service have in common. */
export function siteOf(config: Config): Site {
  return { name: serviceName(config), path: publicPath(config) }
}

/** The whole text of a page. It loads the stylesheet and the icon, and nothing else. */
export function layout({ title, body, isWide }: Page, { name, path }: Site, locale: Locale): string {
  return (
    DOCTYPE +
    html`<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · ${name}</title>
<link rel="icon" type="image/svg+xml" href="${path}/account/icon.svg">
<link rel="stylesheet" href="${path}/account/styles.css?v=${STYLES_VERSION}">
</head>
<body>
<div class="page${isWide && ' wide'}">
<header class="brand">${KEY}<span>${name}</span></header>
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
