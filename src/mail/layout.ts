import { escapeHtml, fill, fillHtml, type Values, wordsIn } from './words.js'

/** A button: `[label]({link})`, alone in its paragraph. */
const BUTTON = /^\[([^\]\n]+)\]\(\{link\}\)$/
// Most mail programs support inline styles only, and the oldest need tables for the layout.
const FONT =
  "font-family:system-ui,-apple-system,'Segoe UI','Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif"
const WRAP = 'word-break:keep-all;overflow-wrap:anywhere'
const TABLE = 'role="presentation" cellpadding="0" cellspacing="0" border="0"'
const CARD = `max-width:560px;background:#ffffff;border:1px solid #e3e6ea;border-radius:12px;${WRAP}`
const INSIDE = `padding:32px 32px 20px;text-align:left;color:#1f2328;font-size:16px;line-height:1.6;${FONT}`
const SERVICE = 'margin:0 0 20px;font-size:14px;font-weight:bold;color:#1a56c4'
const HEADING = 'margin:0 0 20px;font-size:22px;line-height:1.35;font-weight:bold'
const CODE =
  'display:inline-block;margin-top:10px;padding:10px 20px;border-radius:8px;background:#eef2f8;color:#1f2328;' +
  'font-family:ui-monospace,Menlo,Consolas,monospace;font-size:24px;line-height:1.4;letter-spacing:3px'
const LINK =
  'display:inline-block;padding:13px 24px;color:#ffffff;font-size:16px;line-height:1.25;font-weight:bold;text-decoration:none'
const NOTE = 'margin:14px 0 0;color:#59636e;font-size:14px;line-height:1.6'
const RULE = 'margin:28px 0 0;padding:4px 0 0;border-top:1px solid #e3e6ea'
const HIDDEN = 'display:none;max-height:0;overflow:hidden;mso-hide:all'
/** Dark mode, for mail programs that support media queries. */
const DARK = `@media (prefers-color-scheme: dark) {
.page { background: #16191d !important }
.card { background: #1f2328 !important; border-color: #363c44 !important }
.text, .code { color: #e6e9ec !important }
.code { background: #2b3138 !important }
.note { color: #a5aeb8 !important }
.rule { border-color: #363c44 !important }
.service { color: #8ab4ff !important }
}`

interface Page {
  subject: string
  body: string
  locale: string
}

/** A mail as text: a button becomes its label and its address. */
export function toText(body: string, values: Values): string {
  return paragraphsOf(body, values)
    .map((paragraph) => fill(paragraph.replace(BUTTON, '$1:\n{link}'), values))
    .join('\n\n')
    .concat('\n')
}

/** A mail as HTML that loads nothing. Paragraphs after the button and the code are shown as notes. */
export function toHtml({ subject, body, locale }: Page, values: Values): string {
  const paragraphs = paragraphsOf(body, values)
  const end = paragraphs.findLastIndex((paragraph) => /\{(link|code)\}/.test(paragraph)) + 1
  const main = end === 0 ? paragraphs : paragraphs.slice(0, end)
  const notes = end === 0 ? [] : paragraphs.slice(end)
  const blocks = main.map((paragraph) => (BUTTON.test(paragraph) ? button(paragraph) : `<p>${lines(paragraph)}</p>`))
  const small = notes.map((paragraph) => `<p class="note" style="${NOTE}">${lines(paragraph)}</p>`)
  if (small.length > 0) blocks.push(`<div class="rule" style="${RULE}">\n${small.join('\n')}\n</div>`)
  return `<!doctype html>
<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(subject)}</title>
<style>${DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f4f5f7">
<div style="${HIDDEN}">${fillHtml(escapeHtml(main[0] ?? ''), values)}</div>
<table ${TABLE} width="100%" class="page" style="background:#f4f5f7"><tr><td align="center" style="padding:24px 12px">
<table ${TABLE} width="100%" class="card" style="${CARD}"><tr><td class="text" style="${INSIDE}">
<p class="service" style="${SERVICE}">${fillHtml('{service}', values)}</p>
<h1 style="${HEADING}">${escapeHtml(subject)}</h1>
${fillHtml(blocks.join('\n'), values)}
</td></tr></table>
</td></tr></table>
</body>
</html>
`
}

/** A table cell with a background colour: Outlook ignores the padding of a link. */
function button(paragraph: string): string {
  const [, label = ''] = BUTTON.exec(paragraph) ?? []
  return `<table ${TABLE} style="margin:24px 0"><tr><td bgcolor="#1a56c4" style="border-radius:8px">
<a href="{link}" style="${LINK}">${escapeHtml(label)}</a></td></tr></table>`
}

function lines(paragraph: string): string {
  return escapeHtml(paragraph)
    .replace('{code}', `<strong class="code" style="${CODE}">{code}</strong>`)
    .replaceAll('\n', '<br>\n')
}

/** The paragraphs of a text, except those that use a placeholder without a value, such as `{link}` without pages. */
function paragraphsOf(body: string, values: Values): string[] {
  return body
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '')
    .filter((paragraph) => wordsIn(paragraph).every((word) => values[word as keyof Values] !== undefined))
}
