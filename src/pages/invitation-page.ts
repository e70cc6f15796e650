import { accountName, button, complaint, field, hidden, success, wayToLogIn } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page, Site } from './layout.js'

const TEXTS = {
  en: {
    title: 'Welcome',
    hint: 'An account was made for you. Choose a password, and it is yours.',
    username: 'User name',
    usernameHint: 'Letters, digits, and . _ - You can leave it empty and log in with your e-mail address.',
    password: 'Password',
    passwordHint: 'Several words in a row are easy to remember and hard to guess.',
    submit: 'Accept the invitation',
    done: 'The account is yours',
    doneHint: 'Log in with it from now on.',
  },
  ko: {
    title: '환영합니다',
    hint: '회원님의 계정이 만들어졌습니다. 비밀번호를 정하면 사용할 수 있습니다.',
    username: '사용자 이름',
    usernameHint: '글자, 숫자, . _ - 를 쓸 수 있습니다. 비워 두고 이메일 주소로 로그인해도 됩니다.',
    password: '비밀번호',
    passwordHint: '단어 여러 개를 이어 쓰면 외우기 쉽고 짐작하기 어렵습니다.',
    submit: '초대 수락하기',
    done: '계정이 준비되었습니다',
    doneHint: '이제 로그인할 수 있습니다.',
  },
} satisfies Translated<Record<string, string>>

interface Invitation {
  token: string
  email?: string | undefined
  /** The user name of the account, or the typed one. */
  username?: string | undefined
  /** Whether the user may choose the user name. */
  isNameless: boolean
  error?: string | undefined
}

/** The form that accepts an invitation. */
export function invitationPage({ token, email, error, ...who }: Invitation, { path }: Site, locale: Locale): Page {
  const text = TEXTS[locale]
  const { username, isNameless } = who
  return {
    title: text.title,
    ...(error !== undefined && { status: 400 }),
    body: html`${complaint(error)}
<p>${text.hint}</p>
${email !== undefined && html`<p><strong><bdi>${email}</bdi></strong></p>`}
<form method="post" action="${path}/account/invitation">
${hidden('token', token)}
${
  isNameless
    ? field({
        name: 'username',
        label: text.username,
        hint: text.usernameHint,
        autocomplete: 'username',
        value: username,
        isOptional: true,
        maxLength: 128,
      })
    : accountName(username ?? '')
}
${field({
  name: 'password',
  label: text.password,
  type: 'password',
  autocomplete: 'new-password',
  hint: text.passwordHint,
  isFirst: true,
})}
${button(text.submit)}
</form>`,
  }
}

/** The page after an invitation was accepted. */
export function invitationDonePage({ path }: Site, locale: Locale): Page {
  const text = TEXTS[locale]
  return { title: text.done, body: html`${success(text.doneHint)}${wayToLogIn(path, locale)}` }
}
