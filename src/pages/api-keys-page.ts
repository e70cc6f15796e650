import type { ApiKeyRow } from '../clients/api-keys.js'
import { isForKeys, OWN_SCOPES, type OwnScope } from '../clients/scopes.js'
import type { Role } from '../tokens/access-tokens.js'
import { accountPage, timeText, type View } from './account-page.js'
import { button, checkbox, choice, field, hidden } from './forms.js'
import { type Html, html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

/** What comes before a word of a scope in the name of its box. */
export const SCOPE_FIELD = 'scope-'
/** How long a key may live, in days. */
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

const KOREAN_SCOPES: Partial<Record<OwnScope, string>> = {
  profile: '계정(이름, 언어)을 읽습니다.',
  email: '이메일 주소를 읽습니다.',
  'todos:read': '할 일을 읽습니다.',
  'todos:write': '할 일을 만들고 바꾸고 지웁니다.',
  'tutorials:read': '튜토리얼을 읽습니다.',
  'tutorials:write': '튜토리얼을 만들고 바꾸고 지웁니다.',
  'users:read': '관리자로서 계정을 읽습니다.',
  'users:write': '관리자로서 계정을 바꿉니다.',
  'events:read': '관리자로서 감사 기록을 읽습니다.',
}

/** The keys of somebody, and the form for a new one. */
export function apiKeysPage({ keys, role }: { keys: readonly ApiKeyRow[]; role: Role }, view: View): Page {
  const { locale, path } = view
  const text = TEXTS[locale]
  const words = (Object.keys(OWN_SCOPES) as OwnScope[]).filter((word) => isForKeys(word, role))
  const lifetimes = Object.fromEntries(LIFETIMES_DAYS.map((days) => [String(days), text.days(days)]))
  const body = html`${
    keys.length === 0 ? html`<p>${text.none}</p>` : html`<ul class="list">${keys.map((key) => item(key, view))}</ul>`
  }
<h2>${text.make}</h2>
<form method="post" action="${path}/account/api-keys">
${hidden('deed', 'make')}
${field({ name: 'name', label: text.name, maxLength: 100 })}
<fieldset><legend class="label">${text.may}</legend>
${words.map((word) => {
  const label = locale === 'ko' ? KOREAN_SCOPES[word] : OWN_SCOPES[word]
  return checkbox(`${SCOPE_FIELD}${word}`, label ?? word, { isRequired: false })
})}
</fieldset>
${choice('days', text.lifetime, { options: lifetimes, value: '90' })}
${button(text.submit)}
</form>`
  return { ...accountPage(text.title, body, view), isWide: true }
}

function item({ id, name, scope, expiresAt, lastUsedAt }: ApiKeyRow, { path, locale }: View): Html {
  const text = TEXTS[locale]
  return html`<li class="row"><div><strong><bdi>${name}</bdi></strong>
<span class="hint">${scope} · ${text.until} ${timeText(expiresAt, locale)}${
    lastUsedAt !== null && html` · ${text.used} ${timeText(lastUsedAt, locale)}`
  }</span></div>
<form method="post" action="${path}/account/api-keys">${hidden('deed', 'end')}${hidden('id', id)}${button(text.end, 'quiet')}</form></li>`
}
