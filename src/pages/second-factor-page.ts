import type { Factor } from '../factors/factors.js'
import { FACTOR_NAME_MAX_LENGTH } from '../text-lengths.js'
import { accountPage, timeText, type View } from './account-page.js'
import { button, checkbox, field, hidden } from './forms.js'
import { Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { passkeyButton, withPasskeys } from './passkey-forms.js'

const TEXTS = {
  en: {
    title: 'Second factor',
    none: 'Your password alone logs you in. With a second factor, nobody who learns it gets in.',
    totp: 'Authenticator app',
    passkey: 'Passkey',
    added: 'added',
    used: 'last used',
    codesLeft: 'Recovery codes left:',
    newCodes: 'New recovery codes',
    newCodesHint: 'The old codes then stop working.',
    rename: 'Rename',
    newName: 'Name',
    remove: 'Remove',
    sure: 'I no longer need it',
    add: 'Add an authenticator app',
    name: 'Name of the device (optional)',
    begin: 'Go on',
    addPasskey: 'Add a passkey',
    passkeyHint: 'A key in this device, behind your face, fingerprint or PIN. It logs you in without a password.',
    passkeyName: 'Name of the passkey (optional)',
    make: 'Make a passkey',
    notMade: 'No passkey was made. Try again.',
    known: 'This device has a passkey of your account already.',
    scan: 'Scan this with the app',
    scanHint: 'Then type the six digits that the app shows.',
    qr: 'QR code for the app',
    openApp: 'Is the app on this device? Open it',
    byHand: 'Or type this key into the app:',
    code: 'Code of the app',
    confirm: 'Confirm',
    old: 'This form is out of date. If the list below has no app, remove the entry from your app and add it again. If it has one and you did not see your recovery codes, make new ones.',
  },
  ko: {
    title: '2단계 인증',
    none: '지금은 비밀번호만으로 로그인합니다. 2단계 인증을 더하면 비밀번호가 새어 나가도 안전합니다.',
    totp: '인증 앱',
    passkey: '패스키',
    added: '추가',
    used: '마지막 사용',
    codesLeft: '남은 복구 코드:',
    newCodes: '새 복구 코드 만들기',
    newCodesHint: '이전 코드는 쓸 수 없게 됩니다.',
    rename: '이름 바꾸기',
    newName: '이름',
    remove: '제거',
    sure: '더는 필요하지 않습니다',
    add: '인증 앱 추가',
    name: '기기 이름 (선택)',
    begin: '계속하기',
    addPasskey: '패스키 추가',
    passkeyHint: '얼굴, 지문 또는 PIN으로 확인하는 이 기기의 열쇠입니다. 비밀번호 없이 로그인할 수 있습니다.',
    passkeyName: '패스키 이름 (선택)',
    make: '패스키 만들기',
    notMade: '패스키를 만들지 못했습니다. 다시 시도해 주세요.',
    known: '이 기기에는 이미 이 계정의 패스키가 있습니다.',
    scan: '앱으로 이 코드를 찍으세요',
    scanHint: '그런 다음 앱에 표시된 숫자 6자리를 입력하세요.',
    qr: '앱에서 찍을 QR 코드',
    openApp: '앱이 이 기기에 있으면 앱 열기',
    byHand: '또는 이 키를 앱에 입력하세요:',
    code: '앱의 코드',
    confirm: '확인',
    old: '오래된 화면입니다. 아래 목록에 앱이 없으면 앱에서 항목을 지우고 다시 추가하세요. 앱이 있는데 복구 코드를 보지 못했다면 새로 만드세요.',
  },
} satisfies Translated<Record<string, string>>

interface Shown {
  factors: readonly Factor[]
  codesLeft: number
  /** Whether MFA allows users to add factors. */
  canAdd: boolean
  /** The options for a new passkey; undefined if none can be added. */
  making: object | undefined
}

/** The address of a form, and its hidden fields. */
interface Place {
  action: string
  locale: Locale
  fields: Html
}

/** The factors of an account and the number of recovery codes left, with forms to add and remove factors. */
export function secondFactorPage({ factors, codesLeft, canAdd, making }: Shown, view: View): Page {
  const text = TEXTS[view.locale]
  const action = `${view.path}/account/second-factor`
  const body = html`${factors.length === 0 && canAdd && html`<p>${text.none}</p>`}
${
  factors.length > 0 &&
  html`<ul class="list">${factors.map((factor) => item(factor, view))}</ul>
<h2>${text.codesLeft} ${codesLeft}</h2>
<form method="post" action="${action}">${hidden('deed', 'new-codes')}${button(text.newCodes, 'quiet')}
<span class="hint">${text.newCodesHint}</span></form>`
}
${
  canAdd &&
  html`<h2>${text.add}</h2>
<form method="post" action="${action}">
${hidden('deed', 'begin')}
${field({ name: 'name', label: text.name, isOptional: true, maxLength: FACTOR_NAME_MAX_LENGTH })}
${button(text.begin)}
</form>`
}
${making !== undefined && addPasskeyPart(making, { action, locale: view.locale, fields: hidden('deed', 'add-passkey') })}`
  return accountPage(text.title, body, view)
}

/** The message for a code of an app that is confirmed already or was replaced. */
export function oldFormIn(locale: Locale): string {
  return TEXTS[locale].old
}

/** The secret of a new factor and the form for its first code, as a page of the account. */
export function scanPage(secret: { uri: string; qr: string }, view: View): Page {
  const place = { action: `${view.path}/account/second-factor`, locale: view.locale, fields: hidden('deed', 'confirm') }
  const { title, body } = scanPart(secret, { ...place, isWrong: view.error !== undefined })
  return accountPage(title, body, view)
}

/**
 * The secret of a new factor, as a QR code and as text, and the form for its first code. `qr` is SVG of this service,
 * so it is not escaped.
 */
export function scanPart(
  { uri, qr }: { uri: string; qr: string },
  { action, locale, fields, isWrong }: Place & { isWrong: boolean },
) {
  const text = TEXTS[locale]
  const secret = new URL(uri).searchParams.get('secret') ?? ''
  const body = html`<p>${text.scanHint}</p>
<div class="qr" role="img" aria-label="${text.qr}">${new Html(qr)}</div>
<p><a href="${uri}">${text.openApp}</a></p>
<p>${text.byHand}</p><p class="secret">${secret.replace(/(.{4})(?=.)/g, '$1 ')}</p>
<form method="post" action="${action}">
${fields}${hidden('uri', uri)}
${field({
  name: 'code',
  label: text.code,
  autocomplete: 'one-time-code',
  isCode: true,
  isFirst: true,
  maxLength: 32,
  isWrong,
})}
${button(text.confirm)}
</form>`
  return { title: text.scan, body }
}

/** The form that adds a passkey, for browsers that support them. */
export function addPasskeyPart(options: object, { action, locale, fields }: Place): Html {
  const text = TEXTS[locale]
  return withPasskeys(html`<h2>${text.addPasskey}</h2>
<p>${text.passkeyHint}</p>
<form method="post" action="${action}">
${fields}
${field({ name: 'passkey-name', label: text.passkeyName, isOptional: true, maxLength: FACTOR_NAME_MAX_LENGTH })}
${passkeyButton({ deed: 'create', options, label: text.make, kind: '', refused: text.notMade, known: text.known })}
</form>`)
}

function item({ id, kind, name, createdAt, lastUsedAt }: Factor, { path, locale }: View): Html {
  const text = TEXTS[locale]
  return html`<li><strong><bdi>${name ?? text[kind]}</bdi></strong>${name !== null && html` <span class="tag">${text[kind]}</span>`}
<span class="hint">${text.added} ${timeText(createdAt, locale)}${
    lastUsedAt !== null && html` &middot; ${text.used} ${timeText(lastUsedAt, locale)}`
  }</span>
<details><summary>${text.rename}</summary>
<form method="post" action="${path}/account/second-factor">${hidden('deed', 'rename')}${hidden('id', id)}
<p class="field"><label><span class="label">${text.newName}</span>
<input name="name" type="text" autocomplete="off" maxlength="${FACTOR_NAME_MAX_LENGTH}" value="${name ?? ''}"></label></p>
${button(text.rename, 'quiet')}</form></details>
<details><summary>${text.remove}</summary>
<form method="post" action="${path}/account/second-factor">${hidden('deed', 'remove')}${hidden('id', id)}
${checkbox('sure', text.sure)}${button(text.remove, 'danger')}</form></details></li>`
}
