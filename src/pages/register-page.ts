import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { button, complaint, field, success, wayOn } from './forms.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Create an account',
    username: 'User name',
    usernameHint: 'Letters, digits, and . _ -',
    usernameOptional: 'User name (optional)',
    email: 'E-mail address',
    emailOptional: 'E-mail address (optional)',
    password: 'Password',
    passwordHint: 'Several words in a row are easy to remember and hard to guess.',
    submit: 'Create the account',
    logIn: 'Log in instead',
    done: 'Your account is ready',
    doneHint: 'You are logged in.',
    continue: 'Continue',
    toLogIn: 'Log in',
    mail: 'Look at your mail',
    mailHint:
      'A mail with a link is on its way to the address that you gave. The account is yours once the address is confirmed.',
    mailMissing: 'No mail after a few minutes? Look in the spam folder, and check the address.',
  },
  ko: {
    title: '계정 만들기',
    username: '사용자 이름',
    usernameHint: '글자, 숫자, . _ - 를 쓸 수 있습니다.',
    usernameOptional: '사용자 이름 (선택)',
    email: '이메일 주소',
    emailOptional: '이메일 주소 (선택)',
    password: '비밀번호',
    passwordHint: '단어 여러 개를 이어 쓰면 외우기 쉽고 짐작하기 어렵습니다.',
    submit: '계정 만들기',
    logIn: '이미 계정이 있습니다',
    done: '계정이 준비되었습니다',
    doneHint: '로그인했습니다.',
    continue: '계속하기',
    toLogIn: '로그인',
    mail: '메일을 확인해 주세요',
    mailHint: '입력한 주소로 링크가 담긴 메일을 보냅니다. 주소를 확인하면 계정을 사용할 수 있습니다.',
    mailMissing: '몇 분이 지나도 오지 않으면 스팸함과 입력한 주소를 확인해 주세요.',
  },
} satisfies Translated<Record<string, string>>

interface Registering {
  /** The address of the form, and the log-in for users who have an account. */
  action: string
  logIn: string
  /** Whether an account needs an address instead of a user name. */
  needsEmail: boolean
  username?: string | undefined
  email?: string | undefined
  error?: string | undefined
}

/** The registration form. */
export function registerPage({ action, logIn, needsEmail, error, ...typed }: Registering, locale: Locale): Page {
  const text = TEXTS[locale]
  const username = field({
    name: 'username',
    label: needsEmail ? text.usernameOptional : text.username,
    hint: text.usernameHint,
    value: typed.username,
    isOptional: needsEmail,
    isFirst: !needsEmail,
    autocomplete: 'username',
    maxLength: 128,
  })
  const email = field({
    name: 'email',
    label: needsEmail ? text.email : text.emailOptional,
    type: 'email',
    autocomplete: 'email',
    value: typed.email,
    isOptional: !needsEmail,
    isFirst: needsEmail,
    maxLength: IDENTIFIER_MAX_LENGTH,
  })
  return {
    title: text.title,
    ...(error !== undefined && { status: 400 }),
    body: html`${complaint(error)}
<form method="post" action="${action}">
${needsEmail ? [email, username] : [username, email]}
${field({
  name: 'password',
  label: text.password,
  type: 'password',
  autocomplete: 'new-password',
  hint: text.passwordHint,
})}
${button(text.submit)}
</form>
${foot(logIn, text.logIn)}`,
  }
}

/**
 * The page after a registration, when the user is logged in. A link instead of a redirect, for the reason of hopPage.
 */
export function registeredPage(logIn: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return {
    title: text.done,
    body: html`${success(text.doneHint)}
${wayOn(logIn, text.continue)}`,
  }
}

/**
 * The page after a registration whose address must be confirmed. It is the same whether or not an account has the
 * address.
 */
export function lookAtMailPage(logIn: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return {
    title: text.mail,
    body: html`<p>${text.mailHint}</p><p class="muted">${text.mailMissing}</p>${foot(logIn, text.toLogIn)}`,
  }
}

function foot(address: string, label: string): Html {
  return html`<p class="more"><a href="${address}">${label}</a></p>`
}
