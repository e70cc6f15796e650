import { button, checkbox, complaint, field, hidden } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { type MailRequestForm, mailRequestPage } from './mail-request-page.js'

/** Longer than a mailed code with blanks. */
export const EMAIL_CODE_MAX_LENGTH = 32

const TEXTS = {
  en: {
    title: 'Log in with a mailed code',
    hint: 'Type the e-mail address of your account. You get a mail with a code, which logs you in once.',
    email: 'E-mail address',
    submit: 'Mail me a code',
    back: 'Back to the log-in',
    sent: 'Type the code of the mail',
    sentHint: 'If this is the confirmed address of an account, a code is on its way to it, good for ten minutes:',
    code: 'Code',
    shared: 'This is not my device: keep me logged in for 12 hours at most',
    logIn: 'Log in',
    again: 'Mail another code',
  },
  ko: {
    title: '메일로 받은 코드로 로그인',
    hint: '계정의 이메일 주소를 입력하세요. 한 번 로그인할 수 있는 코드를 메일로 보냅니다.',
    email: '이메일 주소',
    submit: '코드 메일 받기',
    back: '로그인으로 돌아가기',
    sent: '메일로 받은 코드 입력',
    sentHint: '확인된 주소로 등록된 계정이 있으면 10분 동안 쓸 수 있는 코드를 다음 주소로 보냅니다:',
    code: '인증 코드',
    shared: '내 기기가 아닙니다: 로그인을 최대 12시간만 유지합니다',
    logIn: '로그인',
    again: '코드 다시 받기',
  },
} satisfies Translated<Record<string, string>>

/** The form that requests a code. */
export function emailCodePage(form: MailRequestForm, locale: Locale): Page {
  return mailRequestPage(form, TEXTS[locale])
}

interface Typing {
  /** The log-in, to which the code is posted. */
  action: string
  /** The page to request another code. */
  another: string
  email: string
  isShared?: boolean
  error?: string | undefined
}

/** The form for the code. The page is the same whether or not an account has the address. */
export function emailCodeSentPage({ action, another, email, isShared, error }: Typing, locale: Locale): Page {
  const text = TEXTS[locale]
  const isWrong = error !== undefined
  return {
    title: text.sent,
    ...(isWrong && { status: 400 }),
    body: html`${complaint(error)}
<p>${text.sentHint} <strong><bdi>${email}</bdi></strong></p>
<form method="post" action="${action}">
${hidden('email', email)}
${field({
  name: 'code',
  label: text.code,
  autocomplete: 'one-time-code',
  isCode: true,
  isFirst: true,
  isWrong,
  maxLength: EMAIL_CODE_MAX_LENGTH,
})}
${checkbox('shared', text.shared, { isRequired: false, isTicked: isShared === true })}
${button(text.logIn)}
</form>
<p class="more"><a href="${another}">${text.again}</a></p>`,
  }
}
