import type { Factor } from '../factors/factors.js'
import { accountPage, timeText, type View } from './account-page.js'
import { button, checkbox, field, hidden } from './forms.js'
import { Html, html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Second factor',
    none: 'Your password alone logs you in. With an app on your phone, nobody who learns it gets in.',
    totp: 'Authenticator app',
    passkey: 'Passkey',
    added: 'added',
    used: 'last used',
    codesLeft: 'Recovery codes left:',
    newCodes: 'New recovery codes',
    newCodesHint: 'The old ones are then of no use.',
    remove: 'Remove',
    sure: 'I no longer need it',
    add: 'Add an authenticator app',
    name: 'Name of the device (optional)',
    begin: 'Go on',
    scan: 'Scan this with the app',
    scanHint: 'Then type the six digits that the app shows.',
    qr: 'QR code for the app',
    byHand: 'Or type this key into the app:',
    code: 'Code of the app',
    confirm: 'Confirm',
  },
  ko: {
    title: '2단계 인증',
    none: '지금은 비밀번호만으로 로그인합니다. 휴대전화의 앱을 더하면 비밀번호가 새어 나가도 안전합니다.',
    totp: '인증 앱',
    passkey: '패스키',
    added: '추가',
    used: '마지막 사용',
    codesLeft: '남은 복구 코드:',
    newCodes: '새 복구 코드 만들기',
    newCodesHint: '이전 코드는 쓸 수 없게 됩니다.',
    remove: '제거',
    sure: '더는 필요하지 않습니다',
    add: '인증 앱 추가',
    name: '기기 이름 (선택)',
    begin: '계속하기',
    scan: '앱으로 이 코드를 찍으세요',
    scanHint: '그런 다음 앱에 표시된 숫자 6자리를 입력하세요.',
    qr: '앱에서 찍을 QR 코드',
    byHand: '또는 이 키를 앱에 입력하세요:',
    code: '앱의 코드',
    confirm: '확인',
  },
} satisfies Translated<Record<string, string>>

/** The factors of an account and how many recovery codes are left, with forms to add and to remove. */
export function secondFactorPage(
  { factors, codesLeft }: { factors: readonly Factor[]; codesLeft: number },
  view: View,
): Page {
  const text = TEXTS[view.locale]
  const action = `${view.path}/account/second-factor`
  const body = html`${factors.length === 0 && html`<p>${text.none}</p>`}
${
  factors.length > 0 &&
  html`<ul class="list">${factors.map((factor) => item(factor, view))}</ul>
<h2>${text.codesLeft} ${codesLeft}</h2>
<form method="post" action="${action}">${hidden('deed', 'new-codes')}${button(text.newCodes, 'quiet')}
<span class="hint">${text.newCodesHint}</span></form>`
}
<h2>${text.add}</h2>
<form method="post" action="${action}">
${hidden('deed', 'begin')}
${field({ name: 'name', label: text.name, isOptional: true, maxLength: 100 })}
${button(text.begin)}
</form>`
  return accountPage(text.title, body, view)
}

/** The secret of a new factor, as a picture and as text, and the form for its first code. `qr` is SVG of ours. */
export function scanPage({ uri, qr }: { uri: string; qr: string }, view: View): Page {
  const text = TEXTS[view.locale]
  const secret = new URL(uri).searchParams.get('secret') ?? ''
  const body = html`<p>${text.scanHint}</p>
<div class="qr" role="img" aria-label="${text.qr}">${new Html(qr)}</div>
<p>${text.byHand}</p><p class="secret">${secret.replace(/(.{4})(?=.)/g, '$1 ')}</p>
<form method="post" action="${view.path}/account/second-factor">
${hidden('deed', 'confirm')}${hidden('uri', uri)}
${field({
  ...{ name: 'code', label: text.code, autocomplete: 'one-time-code', isCode: true, isFirst: true, maxLength: 32 },
  isWrong: view.error !== undefined,
})}
${button(text.confirm)}
</form>`
  return accountPage(text.scan, body, view)
}

function item({ id, kind, name, createdAt, lastUsedAt }: Factor, { path, locale }: View): Html {
  const text = TEXTS[locale]
  return html`<li><strong><bdi>${name ?? (kind === 'totp' ? text.totp : text.passkey)}</bdi></strong>
<span class="hint">${text.added} ${timeText(createdAt, locale)}${
    lastUsedAt !== null && html` · ${text.used} ${timeText(lastUsedAt, locale)}`
  }</span>
<details><summary>${text.remove}</summary>
<form method="post" action="${path}/account/second-factor">${hidden('deed', 'remove')}${hidden('id', id)}
${checkbox('sure', text.sure)}${button(text.remove, 'danger')}</form></details></li>`
}
