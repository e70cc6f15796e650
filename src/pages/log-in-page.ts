import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { button, checkbox, complaint, field, hidden, wayOn } from './forms.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { passkeyButton, withoutPasskeys, withPasskeys } from './passkey-forms.js'

/** Longer than a code of an authenticator app and than a recovery code. */
export const FACTOR_CODE_MAX_LENGTH = 32

type Text =
  | 'lost'
  | 'cookieless'
  | 'title'
  | 'goesOn'
  | 'username'
  | 'password'
  | 'shared'
  | 'submit'
  | 'emailCode'
  | 'forgot'
  | 'register'
type FactorText = 'factor' | 'code' | 'codeHint' | 'back' | 'link'
type PasskeyText = 'passkey' | 'usePasskey' | 'noPasskey' | 'cannot'

const TEXTS: Translated<Record<Text | FactorText | PasskeyText, string>> = {
  en: {
    title: 'Log in',
    goesOn: 'You go on to',
    lost: 'What you sent was not saved, because this browser had to log in again. Log in, and send it once more.',
    cookieless:
      'You are not logged in. If you logged in just now, this browser did not keep the cookie: allow cookies for this site.',
    username: 'User name or e-mail address',
    password: 'Password',
    shared: 'This is not my device: keep me logged in for 12 hours at most',
    submit: 'Log in',
    factor: 'One more step',
    code: 'Code',
    codeHint: 'The six digits of your authenticator app, or one of your recovery codes.',
    passkey: 'Log in with a passkey',
    usePasskey: 'Use a passkey',
    noPasskey: 'No passkey was shown. Try again, or go on without one.',
    cannot: 'Your account asks for a passkey, and this browser cannot show one here.',
    back: 'You are logged in',
    link: 'Continue',
    emailCode: 'Mail me a code',
    forgot: 'Forgot your password?',
    register: 'Create an account',
  },
  ko: {
    title: '로그인',
    lost: '다시 로그인해야 해서, 보낸 내용이 저장되지 않았습니다. 로그인한 뒤 다시 보내 주세요.',
    cookieless:
      '로그인되어 있지 않습니다. 방금 로그인했다면 브라우저가 쿠키를 저장하지 않은 것입니다. 이 사이트의 쿠키를 허용해 주세요.',
    goesOn: '로그인하면 다음으로 이동합니다:',
    username: '사용자 이름 또는 이메일 주소',
    password: '비밀번호',
    shared: '내 기기가 아닙니다: 로그인을 최대 12시간만 유지합니다',
    submit: '로그인',
    factor: '한 단계 더',
    code: '인증 코드',
    codeHint: '인증 앱에 표시된 숫자 6자리, 또는 복구 코드 중 하나를 입력해 주세요.',
    passkey: '패스키로 로그인',
    usePasskey: '패스키 사용',
    noPasskey: '패스키를 확인하지 못했습니다. 다시 시도하거나 다른 방법으로 계속해 주세요.',
    cannot: '이 계정에는 패스키가 필요하지만, 이 브라우저에서는 사용할 수 없습니다.',
    back: '로그인했습니다',
    link: '계속하기',
    emailCode: '코드 메일 받기',
    forgot: '비밀번호를 잊으셨나요?',
    register: '계정 만들기',
  },
}

/** The pages for users who log in differently or cannot log in. Empty if there is no such page. */
export interface WaysOut {
  emailCode: string
  register: string
  forgot: string
}

interface Form {
  /** The address of the form. */
  action: string
  /** The name of the client that the log-in leads to; undefined for account pages. */
  client?: string | undefined
  /** Whether the user is on a shared device. */
  isShared?: boolean
  /** The options for a passkey; undefined if passkeys are off. */
  question: object | undefined
  waysOut: WaysOut
  error?: string | undefined
}

interface FirstStep extends Form {
  username?: string | undefined
  /** Whether the user sent a form after the session had ended. */
  isLost?: boolean
  /** Whether the browser may keep no cookies. */
  isCookieless?: boolean
}

interface SecondStep {
  ticket: string
  /** Whether the account has a factor with codes. */
  takesCodes: boolean
}

/** The log-in form. */
export function logInPage(
  {
    action,
    client,
    username,
    isShared = false,
    isLost = false,
    isCookieless = false,
    question,
    waysOut,
    error,
  }: FirstStep,
  locale: Locale,
): Page {
  const text = TEXTS[locale]
  const isAgain = error !== undefined
  const out = [
    ...(waysOut.emailCode === '' ? [] : [html`<a href="${waysOut.emailCode}">${text.emailCode}</a> `]),
    ...(waysOut.forgot === '' ? [] : [html`<a href="${waysOut.forgot}">${text.forgot}</a> `]),
    ...(waysOut.register === '' ? [] : [html`<a href="${waysOut.register}">${text.register}</a>`]),
  ]
  return {
    title: text.title,
    ...(isAgain && { status: 400 }),
    body: html`${complaint(error ?? (isLost ? text.lost : isCookieless ? text.cookieless : undefined))}
${destination(client, text)}
<form method="post" action="${action}">
${field({
  name: 'username',
  label: text.username,
  maxLength: IDENTIFIER_MAX_LENGTH,
  value: username,
  isFirst: !isAgain,
  autocomplete: question === undefined ? 'username' : 'username webauthn',
})}
${field({ name: 'password', label: text.password, type: 'password', autocomplete: 'current-password', isFirst: isAgain, isWrong: isAgain })}
${checkbox('shared', text.shared, { isRequired: false, isTicked: isShared })}
${button(text.submit)}
${passkeyPart(question, { label: text.passkey, refused: text.noPasskey, isOffered: true })}
</form>
${out.length > 0 && html`<p class="more links">${out}</p>`}`,
  }
}

/**
 * The form for the second factor, after the first was right: a code, a passkey or either. The ticket is a hidden field.
 */
export function factorPage(
  { action, client, isShared = false, ticket, takesCodes, question, error }: Omit<Form, 'waysOut'> & SecondStep,
  locale: Locale,
): Page {
  const text = TEXTS[locale]
  const isAgain = error !== undefined
  return {
    title: text.factor,
    ...(isAgain && { status: 400 }),
    body: html`${complaint(error)}
${destination(client, text)}
<form method="post" action="${action}">
${hidden('ticket', ticket)}${isShared && hidden('shared', 'yes')}
${takesCodes ? codePart(text, isAgain) : withoutPasskeys(text.cannot)}
${passkeyPart(question, { label: text.usePasskey, refused: text.noPasskey, kind: takesCodes ? 'quiet' : '' })}
</form>`,
  }
}

/**
 * The page that leads back to a client after a form. Not a redirect: browsers apply the page's form-action policy to
 * redirects, and the policy does not include the client's address.
 */
export function hopPage(address: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return { title: text.back, body: wayOn(address, text.link) }
}

function codePart(text: Record<'code' | 'codeHint' | 'submit', string>, isWrong: boolean): Html {
  return html`${field({
    name: 'code',
    label: text.code,
    hint: text.codeHint,
    autocomplete: 'one-time-code',
    isCode: true,
    maxLength: FACTOR_CODE_MAX_LENGTH,
    isFirst: true,
    isWrong,
  })}
${button(text.submit)}`
}

function passkeyPart(
  options: object | undefined,
  words: { label: string; refused: string; kind?: '' | 'quiet'; isOffered?: boolean },
): Html {
  return html`${options !== undefined && withPasskeys(passkeyButton({ deed: 'get', options, ...words }))}`
}

function destination(client: string | undefined, { goesOn }: Record<'goesOn', string>): Html {
  return html`${client !== undefined && html`<p>${goesOn} <strong><bdi>${client}</bdi></strong></p>`}`
}
