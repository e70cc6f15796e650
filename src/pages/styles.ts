import { createHash } from 'node:crypto'
import { READABLE } from '../config/brand.js'
import { contrast, mix } from '../config/colors.js'
import type { Config } from '../config/config.js'

const WHITE = '#ffffff'
const BLACK = '#000000'
const DARK_CARD = '#181c22'
const ON_DARK_ACCENT = '#0b1526'
const SHADE = 0.05
const RING_ALPHA = '55'
/** The default colour of buttons and links. */
const ACCENT = '#1a56c4'

/** The brand colour, which is readable on white and under white text. */
export function accentOf({ BRAND_COLOR }: Pick<Config, 'BRAND_COLOR'>): string {
  return BRAND_COLOR || ACCENT
}

/** The only stylesheet: phones first; light and dark mode as the user prefers. */
export function stylesFor(config: Pick<Config, 'BRAND_COLOR'>): string {
  const accent = accentOf(config)
  const pale = paleShade(accent)
  return `:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --text: #1b1f24; --muted: #57606a; --line: #c9d0d8; --field: #ffffff;
  --accent: ${accent}; --accent-hover: ${mix(accent, BLACK, 4 * SHADE)}; --on-accent: #ffffff; --ring: ${accent}${RING_ALPHA};
  --bad: #a1122a; --bad-ground: #fdf0f1; --good: #11632f; --good-ground: #ecf7f0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1216; --card: ${DARK_CARD}; --text: #e9ecf0; --muted: #a2acb8; --line: #3a434e; --field: #0f1216;
    --accent: ${pale}; --accent-hover: ${mix(pale, WHITE, 5 * SHADE)}; --on-accent: ${ON_DARK_ACCENT}; --ring: ${pale}${RING_ALPHA};
    --bad: #ff9ea8; --bad-ground: #33191d; --good: #7fd6a0; --good-ground: #14291c;
  }
}
${RULES}`
}

/** The version in the address of a file, so that browsers can cache the file for ever. */
export function versionOf(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 12)
}

/** The darkest shade of a colour that is readable on a dark page, and under dark text. */
function paleShade(color: string): string {
  let shade = color
  for (let share = SHADE; contrast(shade, DARK_CARD) < READABLE + 2; share += SHADE) shade = mix(color, WHITE, share)
  return shade
}

const RULES = `* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; background: var(--card); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', sans-serif;
  word-break: keep-all; overflow-wrap: anywhere;
}
.page { width: 100%; max-width: 27rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.page.wide { max-width: 40rem; }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 2rem; font-weight: 650; }
.brand img { width: auto; height: 2.25rem; max-width: 12rem; object-fit: contain; }
.brand svg { width: 1.9rem; height: 1.9rem; flex: none; color: var(--accent); }
h1 { text-wrap: balance; margin: 0 0 .6rem; font-size: 1.55rem; line-height: 1.25; font-weight: 680; letter-spacing: -.01em; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; line-height: 1.3; }
p { margin: 0 0 1rem; }
a { color: var(--accent); text-underline-offset: .15em; }
a:hover { color: var(--accent-hover); }
.muted, .hint { color: var(--muted); }
.hint { display: block; margin-top: .35rem; font-size: .875rem; }
strong { font-weight: 650; }
form { margin: 1.25rem 0 0; }
.field { display: block; margin: 0 0 1.1rem; }
.label { display: block; margin: 0 0 .35rem; font-weight: 600; font-size: .925rem; }
input, select {
  width: 100%; min-height: 2.9rem; padding: .55rem .8rem; border: 1px solid var(--line); border-radius: .6rem;
  background: var(--field); color: inherit; font: inherit;
}
input:hover, select:hover { border-color: var(--muted); }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 1px; }
input:focus-visible, select:focus-visible { border-color: var(--accent); }
input[aria-invalid=true] { border-color: var(--bad); }
input.code {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .14em; text-transform: uppercase;
}
[hidden] { display: none !important; }
button + .passkeys { margin-top: .75rem; }
fieldset { min-width: 0; margin: 0 0 1.1rem; padding: 0; border: 0; }
fieldset .check { margin-bottom: .6rem; }
.check { display: flex; align-items: flex-start; gap: .65rem; margin: 0 0 1.1rem; cursor: pointer; }
.check input { width: 1.2rem; min-height: 1.2rem; height: 1.2rem; margin: .18rem 0 0; flex: none; accent-color: var(--accent); }
button, .button {
  display: block; width: 100%; min-height: 2.9rem; padding: .6rem 1.1rem; border: 1px solid transparent; border-radius: .6rem;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 620; text-align: center;
  text-decoration: none; cursor: pointer;
}
button:hover, .button:hover { background: var(--accent-hover); color: var(--on-accent); }
button.quiet, .button.quiet { background: transparent; border-color: var(--line); color: var(--text); }
button.quiet:hover, .button.quiet:hover { border-color: var(--muted); background: var(--ground); color: var(--text); }
form[data-sent] button { opacity: .6; cursor: progress; }
button.danger { background: transparent; border-color: var(--bad); color: var(--bad); }
button.danger:hover { background: var(--bad-ground); }
.note { margin: 0 0 1.25rem; padding: .75rem .95rem; border-radius: .6rem; font-size: .95rem; }
.note { background: var(--ground); }
.note.bad { background: var(--bad-ground); color: var(--bad); }
.note.good { background: var(--good-ground); color: var(--good); }
.more { margin: 1.75rem 0 0; padding: 1.25rem 0 0; border-top: 1px solid var(--line); }
form + .more, .more.links { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .5rem 1.5rem; }
summary { color: var(--muted); cursor: pointer; }
details[open] summary { margin-bottom: 1rem; }
.tag { display: inline-block; padding: 0 .5rem; border: 1px solid var(--line); border-radius: 1rem; color: var(--muted); font-size: .8rem; }
.entry { display: block; margin: 0 -.75rem; padding: .75rem; border-radius: .6rem; color: inherit; font-weight: 600; text-decoration: none; }
.entry:hover { background: var(--ground); color: inherit; }
.entry .hint { margin-top: .1rem; font-weight: 400; }
.list > li:has(.entry) { padding: 0; }
.qr { width: 13rem; max-width: 100%; margin: 1rem auto; border-radius: .6rem; overflow: hidden; }
.qr svg { display: block; }
.secret { padding: .75rem .95rem; border: 1px dashed var(--line); border-radius: .6rem; background: var(--ground); user-select: all;
  font: 1rem/1.8 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .04em; white-space: pre-line; }
@media print { form, .more, .brand, .button { display: none; } }
.row { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem; }
.row form { margin: 0; }
.row button { width: auto; min-height: 2.5rem; }
.list { margin: 0; padding: 0; list-style: none; }
.list > li { padding: 1rem 0; border-top: 1px solid var(--line); }
@media (min-width: 34rem) {
  body { background: var(--ground); }
  .page { padding: 8vh 1.25rem 4rem; }
  .brand { justify-content: center; margin-bottom: 1.5rem; }
  .card {
    padding: 2.25rem 2.25rem 2.5rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--card);
    box-shadow: 0 1px 2px #0000000a, 0 12px 32px #0000000f;
  }
}
@media (prefers-reduced-motion: no-preference) { button, .button, input { transition: background-color .12s, border-color .12s; } }
`
