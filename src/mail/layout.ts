import { escapeHtml, fill, fillHtml, type Values, wordsIn } from './words.js'

/** `[label]({link})`, alone in its paragraph. */
const BUTTON = /^\[([^\]\n]+)\]\(\{link\}\)$/
const FONT =
  "font-family:system-ui,-apple-system,'Segoe UI','Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif"
const PAGE = 'max-width:560px;margin:0 auto;font-size:16px;line-height:1.6;word-break:keep-all;overflow-wrap:anywhere'
const CODE = 'font-family:ui-monospace,Menlo,Consolas,monospace;font-size:22px;letter-spacing:3px'
const LINK =
  'display:inline-block;padding:12px 20px;border-radius:6px;background:#1a56c4;color:#ffffff;font-weight:bold'

/** A mail as text: a button is its label and the address. */
export function toText(body: string, values: Values): string {
  return paragraphsOf(body, values)
    .map((paragraph) => fill(paragraph.replace(BUTTON, '$1:\n{link}'), values))
    .join('\n\n')
    .concat('\n')
}

/** The same as a page that loads nothing. */
export function toHtml({ subject, body, locale }: { subject: string; body: string; locale: string }, values: Values) {
  const paragraphs = paragraphsOf(body, values).map((paragraph) => {
    const html = escapeHtml(paragraph)
      .replace(BUTTON, `<a href="{link}" style="${LINK};text-decoration:none">$1</a>`)
      .replace('{code}', `<strong style="${CODE}">{code}</strong>`)
      .replaceAll('\n', '<br>\n')
    return `<p>${fillHtml(html, values)}</p>`
  })
  return `<!doctype html>
<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(subject)}</title>
</head>
<body style="margin:0;padding:24px">
<div style="${PAGE};${FONT}">
${paragraphs.join('\n')}
</div>
</body>
</html>
`
}

/** The paragraphs of a text but those that name a word without a value, such as a link where there are no pages. */
function paragraphsOf(body: string, values: Values): string[] {
  return body
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => paragraph !== '')
    .filter((paragraph) => wordsIn(paragraph).every((word) => values[word as keyof Values] !== undefined))
}
