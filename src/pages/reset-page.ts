import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { accountName, button, complaint, field, hidden, success, wayToLogIn } from './forms.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page, Site } from './layout.js'
import { FACTOR_CODE_MAX_LENGTH } from './log-in-page.js'

const TEXTS: Translated<Record<string, string>> = {
  en: {
    title: 'Set a new password',
    forAccount: 'For the account',
    fromMail: 'Type the code of the mail, and the address that it was sent to.',
    email: 'E-mail address',
    code: 'Code',
    password: 'New password',
    hint: 'Several words in a row are easy to remember and hard to guess.',
    factor: 'Code of your second factor',
    factorHint: 'The six digits of your authenticator app, or one of your recovery codes. A mail alone is not enough.',
    submit: 'Set the password',
    done: 'The password is set',
    ended: 'The account was logged out everywhere. Log in with the new password.',
  },
  ko: {
    title: '새 비밀번호 설정',
    forAccount: '계정',
    fromMail: '메일에 있는 코드와 그 메일을 받은 주소를 입력하세요.',
    email: '이메일 주소',
    code: '코드',
    password: '새 비밀번호',
    hint: '단어 여러 개를 이어 쓰면 외우기 쉽고 짐작하기 어렵습니다.',
    factor: '2단계 인증 코드',
    factorHint: '인증 앱에 표시된 숫자 6자리, 또는 복구 코드 중 하나를 입력해 주세요. 메일만으로는 바꿀 수 없습니다.',
    submit: '비밀번호 설정',
    done: '비밀번호를 설정했습니다',
    ended: '모든 기기에서 로그아웃되었습니다. 새 비밀번호로 로그인하세요.',
  },
}

interface Reset {
  /** The token of the link; without it, the form asks for the code. */
  token?: string | undefined
  email?: string | undefined
  /** The name of the account, once it is known. */
  name?: string | undefined
  /** Whether the form also asks for a second factor, because the account has one. */
  asksFactor?: boolean
  error?: string | undefined
}

/** The form for a new password. */
export function resetPage(
  { token, email, name, asksFactor = false, error }: Reset,
  { path }: Site,
  locale: Locale,
): Page {
  const text = TEXTS[locale]
  return {
    title: text.title ?? '',
    ...(error !== undefined && { status: 400 }),
    body: html`${complaint(error)}
${name !== undefined && html`<p>${text.forAccount} <strong><bdi>${name}</bdi></strong></p>`}
${token === undefined && html`<p class="muted">${text.fromMail}</p>`}
<form method="post" action="${path}/account/reset">
${token === undefined ? codeFields(text, email) : hidden('token', token)}
${name !== undefined && accountName(name)}
${field({
  name: 'new_password',
  label: text.password ?? '',
  type: 'password',
  autocomplete: 'new-password',
  hint: text.hint,
  isFirst: token !== undefined,
  isWrong: token !== undefined && error !== undefined,
})}
${asksFactor && factorField(text)}
${button(text.submit ?? '')}
</form>`,
  }
}

/** The page after the reset. */
export function resetDonePage({ path }: Site, locale: Locale): Page {
  const text = TEXTS[locale]
  return { title: text.done ?? '', body: html`${success(text.ended ?? '')}${wayToLogIn(path, locale)}` }
}

function factorField(text: Record<string, string>): Html {
  return field({
    name: 'factor',
    label: text.factor ?? '',
    hint: text.factorHint,
    autocomplete: 'one-time-code',
    isCode: true,
    maxLength: FACTOR_CODE_MAX_LENGTH,
  })
}

function codeFields(text: Record<string, string>, email = ''): Html {
  return html`${field({ name: 'email', label: text.email ?? '', type: 'email', autocomplete: 'username', value: email, maxLength: IDENTIFIER_MAX_LENGTH })}
${field({ name: 'code', label: text.code ?? '', autocomplete: 'one-time-code', isCode: true, maxLength: 32 })}`
}
