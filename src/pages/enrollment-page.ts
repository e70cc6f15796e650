import { button, complaint, field, hidden, wayOn } from './forms.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { recoveryCodesPart } from './once-page.js'
import { addPasskeyPart, scanPart } from './second-factor-page.js'

const TEXTS = {
  en: {
    title: 'A second factor is needed',
    why: 'Your account needs a second factor and has none yet. Add one now, and you are logged in.',
    app: 'Authenticator app',
    appHint: 'An app on your phone that shows six digits, new ones every half minute.',
    begin: 'Set up an app',
    mailed: 'Look at your mail',
    mailedHint:
      'Your account needs a second factor. A code is on its way to your address: it shows that it is you who adds one.',
    mailCode: 'Code of the mail',
    confirm: 'Confirm',
    operator: 'Ask the operator',
    operatorHint:
      'Your account needs a second factor. The operator must confirm that it is you who adds one: ask for the link that this command prints, and log in with it.',
    onwards: 'Continue',
    old: 'That form is out of date. Remove the entry from your app, and add it again.',
  },
  ko: {
    title: '2단계 인증이 필요합니다',
    why: '이 계정에는 2단계 인증이 필요하지만 아직 없습니다. 지금 추가하면 로그인이 끝납니다.',
    app: '인증 앱',
    appHint: '30초마다 새로운 숫자 6자리를 보여 주는 휴대전화 앱입니다.',
    begin: '앱 설정하기',
    mailed: '메일을 확인해 주세요',
    mailedHint: '이 계정에는 2단계 인증이 필요합니다. 본인인지 확인하기 위한 코드를 이메일 주소로 보냅니다.',
    mailCode: '메일로 받은 코드',
    confirm: '확인',
    operator: '운영자에게 문의해 주세요',
    operatorHint:
      '이 계정에는 2단계 인증이 필요하며, 본인인지 운영자가 확인해야 합니다. 다음 명령이 출력하는 링크를 받아 그 링크로 로그인해 주세요.',
    onwards: '계속하기',
    old: '오래된 화면입니다. 앱에서 항목을 지우고 다시 추가하세요.',
  },
} satisfies Translated<Record<string, string>>

/** The common data of the pages of an enrollment. */
export interface Step {
  /** The address of the forms. */
  action: string
  /** The ticket, a hidden field of each form. */
  ticket: string
  /** Whether the user is on a shared device. */
  isShared: boolean
  locale: Locale
  error?: string | undefined
}

/** The methods for the first second factor. `making` holds the options for a passkey; undefined if passkeys are off. */
export function methodsPage(making: object | undefined, step: Step): Page {
  const text = TEXTS[step.locale]
  const { action, locale } = step
  return {
    ...frame(text.title, step),
    body: html`${complaint(step.error)}<p>${text.why}</p>
<h2>${text.app}</h2><p>${text.appHint}</p>
<form method="post" action="${action}">${fieldsOf(step, 'enroll-app')}${button(text.begin)}</form>
${making !== undefined && addPasskeyPart(making, { action, locale, fields: fieldsOf(step, 'enroll-passkey') })}`,
  }
}

/** The message for a code of an app whose secret another form has replaced. */
export function replacedIn(locale: Locale): string {
  return TEXTS[locale].old
}

/** The form for the mailed code. */
export function mailedPage(step: Step): Page {
  const text = TEXTS[step.locale]
  return {
    ...frame(text.mailed, step),
    body: html`${complaint(step.error)}<p>${text.mailedHint}</p>
<form method="post" action="${step.action}">
${fieldsOf(step, 'confirm-enrollment')}
${field({
  name: 'code',
  label: text.mailCode,
  autocomplete: 'one-time-code',
  isCode: true,
  isFirst: true,
  maxLength: 32,
  isWrong: step.error !== undefined,
})}
${button(text.confirm)}
</form>`,
  }
}

/** For a user without a reachable address, whom the operator must confirm. */
export function operatorPage(locale: Locale): Page {
  const text = TEXTS[locale]
  const body = html`<p>${text.operatorHint}</p><p class="secret" translate="no">latchkey users enroll-link</p>`
  return { title: text.operator, status: 403, body }
}

/** The secret for the new app, and the form for its first code. */
export function appPage(secret: { uri: string; qr: string }, step: Step): Page {
  const { action, locale, error } = step
  const fields = fieldsOf(step, 'complete-enrollment')
  const { title, body } = scanPart(secret, { action, locale, fields, isWrong: error !== undefined })
  return { ...frame(title, step), body: html`${complaint(error)}${body}` }
}

/** The last page: the recovery codes, and a link on. A redirect would not show the codes. */
export function enrolledPage(codes: readonly string[], onwards: string, locale: Locale): Page {
  const { title, body } = recoveryCodesPart(codes, locale)
  return { title, body: html`${body}${wayOn(onwards, TEXTS[locale].onwards)}` }
}

function fieldsOf({ ticket, isShared }: Step, deed: string): Html {
  return html`${hidden('deed', deed)}${hidden('ticket', ticket)}${isShared && hidden('shared', 'yes')}`
}

function frame(title: string, { error }: Step): Pick<Page, 'title' | 'status'> {
  return { title, ...(error !== undefined && { status: 400 }) }
}
