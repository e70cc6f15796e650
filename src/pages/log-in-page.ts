import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { button, complaint, field } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS: Translated<Record<'title' | 'goesOn' | 'username' | 'password' | 'submit' | 'back' | 'link', string>> = {
  en: {
    title: 'Log in',
    goesOn: 'You go on to',
    username: 'User name or e-mail address',
    password: 'Password',
    submit: 'Log in',
    back: 'You are logged in',
    link: 'Continue',
  },
  ko: {
    title: '로그인',
    goesOn: '로그인하면 다음으로 이동합니다:',
    username: '사용자 이름 또는 이메일 주소',
    password: '비밀번호',
    submit: '로그인',
    back: '로그인했습니다',
    link: '계속하기',
  },
}

interface LogIn {
  /** Where the form is posted to. */
  action: string
  /** Where the person goes afterwards, by its name. */
  client: string
  username?: string | undefined
  error?: string | undefined
}

/** The form to log in with. */
export function logInPage({ action, client, username, error }: LogIn, locale: Locale): Page {
  const text = TEXTS[locale]
  const isAgain = error !== undefined
  return {
    title: text.title,
    ...(isAgain && { status: 400 }),
    body: html`${complaint(error)}
<p>${text.goesOn} <strong>${client}</strong></p>
<form method="post" action="${action}">
${field({
  ...{ name: 'username', label: text.username, autocomplete: 'username', maxLength: IDENTIFIER_MAX_LENGTH },
  ...{ value: username, isFirst: !isAgain },
})}
${field({ name: 'password', label: text.password, type: 'password', autocomplete: 'current-password', isFirst: isAgain, isWrong: isAgain })}
${button(text.submit)}
</form>`,
  }
}

/**
 * The way back to a client after a form. A page, because browsers apply the form-action of our own policy to redirects too, and
 * the address of the client is not in it.
 */
export function hopPage(address: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return { title: text.back, body: html`<p><a class="button" href="${address}">${text.link}</a></p>` }
}
