import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { type MailRequestForm, mailRequestPage } from './mail-request-page.js'

const TEXTS = {
  en: {
    title: 'Forgot your password?',
    hint: 'Type the e-mail address of your account. You get a mail with a link to set a new password.',
    email: 'E-mail address',
    submit: 'Send the mail',
    back: 'Back to the log-in',
    sent: 'Look at your mail',
    sentHint: 'If an account has this address, a mail is on its way to it. Its link is good for an hour.',
    code: 'Type the code of the mail',
  },
  ko: {
    title: '비밀번호를 잊으셨나요?',
    hint: '계정의 이메일 주소를 입력하세요. 새 비밀번호를 정하는 링크를 메일로 보냅니다.',
    email: '이메일 주소',
    submit: '메일 보내기',
    back: '로그인으로 돌아가기',
    sent: '메일을 확인해 주세요',
    sentHint: '이 주소를 쓰는 계정이 있으면 메일을 보냅니다. 메일의 링크는 한 시간 동안 쓸 수 있습니다.',
    code: '메일의 코드 입력하기',
  },
} satisfies Translated<Record<string, string>>

/** The form that requests a mail. */
export function forgotPage(form: MailRequestForm, locale: Locale): Page {
  return mailRequestPage(form, TEXTS[locale])
}

/** The page after the form. It is the same whether or not an account has the address. */
export function mailSentPage(reset: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return {
    title: text.sent,
    body: html`<p>${text.sentHint}</p><p class="more"><a href="${reset}">${text.code}</a></p>`,
  }
}
