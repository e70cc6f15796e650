import type { ApiKeyRow } from '../clients/api-key-lists.js'
import { isForKeys, OWN_SCOPES, wordsOf } from '../clients/scopes.js'
import type { Role } from '../tokens/access-tokens.js'
import { accountPage, timeText, type View } from './account-page.js'
import { button, checkbox, choice, field, hidden } from './forms.js'
import { type Html, html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'
import { describeScope } from './scope-texts.js'

/** The prefix of the names of scope checkboxes. */
export const SCOPE_FIELD = 'scope-'
/** The lifetimes of a key, in days. */
export const LIFETIMES_DAYS = [30, 90, 365] as const

const TEXTS = {
  en: {
    title: 'API keys',
    none: 'You have no API keys. A key lets a script of yours do what you choose, and nothing else.',
    until: 'until',
    used: 'last used',
    end: 'End',
    make: 'Make a key',
    name: 'What it is for',
    may: 'What it may do',
    lifetime: 'It ends after',
    days: (days: number) => (days === 365 ? 'a year' : `${days} days`),
    submit: 'Make the key',
  },
  ko: {
    title: 'API 키',
    none: '아직 API 키가 없습니다. 키가 있으면 직접 만든 프로그램이 여러분이 고른 일만 할 수 있습니다.',
    until: '만료',
    used: '마지막 사용',
    end: '끝내기',
    make: '키 만들기',
    name: '용도',
    may: '할 수 있는 일',
    lifetime: '유효 기간',
    days: (days: number) => (days === 365 ? '1년' : `${days}일`),
    submit: '키 만들기',
  },
} satisfies Translated<Record<string, unknown>>

interface Shown {
  keys: readonly ApiKeyRow[]
  role: Role
  /** The values of a refused form. */
  typed?: { name: string; days: string; scope: string } | undefined
}

/** The API keys of a user, and the form for a new one. */
export function apiKeysPage({ keys, role, typed }: Shown, view: View): Page {
  const { locale, path } = view
  const text = TEXTS[locale]
  const words = Object.keys(OWN_SCOPES).filter((word) => isForKeys(word, role))
  const ticked = wordsOf(typed?.scope ?? '')
  const lifetimes = Object.fromEntries(LIFETIMES_DAYS.map((days) => [String(days), text.days(days)]))
  const body = html`${
    keys.length === 0 ? html`<p>${text.none}</p>` : html`<ul class="list">${keys.map((key) => item(key, view))}</ul>`
  }
<h2>${text.make}</h2>
<form method="post" action="${path}/account/api-keys">
${hidden('deed', 'make')}
${field({ name: 'name', label: text.name, maxLength: 100, value: typed?.name })}
<fieldset><legend class="label">${text.may}</legend>
${words.map((word) => checkbox(`${SCOPE_FIELD}${word}`, describeScope(word, locale), { isRequired: false, isTicked: ticked.includes(word) }))}
</fieldset>
${choice('days', text.lifetime, { options: lifetimes, value: typed?.days ?? '90' })}
${button(text.submit)}
</form>`
  return { ...accountPage(text.title, body, view), isWide: true }
}

function item({ id, name, scope, expiresAt, lastUsedAt }: ApiKeyRow, { path, locale }: View): Html {
  const text = TEXTS[locale]
  return html`<li class="row"><div><strong><bdi>${name}</bdi></strong>
<span class="hint">${scope} &middot; ${text.until} ${timeText(expiresAt, locale)}${
    lastUsedAt !== null && html` &middot; ${text.used} ${timeText(lastUsedAt, locale)}`
  }</span></div>
<form method="post" action="${path}/account/api-keys">${hidden('deed', 'end')}${hidden('id', id)}${button(text.end, 'quiet')}</form></li>`
}
