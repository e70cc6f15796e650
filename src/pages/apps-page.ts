import { wordsOf } from '../clients/scopes.js'
import { accountPage, timeText, type View } from './account-page.js'
import { button, hidden } from './forms.js'
import { type Html, html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'
import { describeScope } from './scope-texts.js'

const TEXTS = {
  en: {
    title: 'Applications with access',
    none: 'No application has access. One that wants it asks you first.',
    hint: 'If you take access back, the application is logged out immediately, and must ask you again.',
    nothing: 'Knows that you have an account here, and nothing else.',
    since: 'allowed',
    end: 'Take back',
  },
  ko: {
    title: '접근을 허용한 앱',
    none: '접근을 허용한 앱이 없습니다. 접근하려는 앱은 먼저 허용을 요청합니다.',
    hint: '허용을 취소하면 앱은 바로 로그아웃되고, 다시 쓸 때 허용을 요청합니다.',
    nothing: '계정이 있다는 사실만 알 수 있습니다.',
    since: '허용한 때:',
    end: '허용 취소',
  },
} satisfies Translated<Record<string, string>>

/** An application that the user has consented to. */
interface App {
  id: string
  name: string
  scope: string
  grantedAt: number
}

/** The scope of each application, with a button to withdraw the consent. */
export function appsPage(apps: readonly App[], view: View): Page {
  const text = TEXTS[view.locale]
  const body = html`<p class="muted">${apps.length > 0 ? text.hint : text.none}</p>
${apps.length > 0 && html`<ul class="list">${apps.map((app) => item(app, view))}</ul>`}`
  return { ...accountPage(text.title, body, view), isWide: true }
}

function item({ id, name, scope, grantedAt }: App, { path, locale }: View): Html {
  const text = TEXTS[locale]
  const words = wordsOf(scope)
  const may = words.map((word) => html`<li>${describeScope(word, locale)}</li>`)
  return html`<li class="row"><div><strong><bdi>${name}</bdi></strong>
${words.length > 0 ? html`<ul>${may}</ul>` : html`<p>${text.nothing}</p>`}
<span class="hint">${text.since} ${timeText(grantedAt, locale)}</span></div>
<form method="post" action="${path}/account/apps">${hidden('id', id)}${button(text.end, 'quiet')}</form></li>`
}
