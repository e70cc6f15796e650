import { accountName, button, checkbox, complaint, field, hidden, success, wayOn, wayToLogIn } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page, Site } from './layout.js'

const TEXTS = {
  en: {
    title: 'Confirm the address',
    is: 'gives as its address',
    account: 'The account',
    mine: 'If it is your account, confirm with its password.',
    fromMail: 'Type the code of the mail, the address that it was sent to, and the password of the account.',
    email: 'E-mail address',
    code: 'Code',
    password: 'Password of the account',
    submit: 'Confirm the address',
    notMe: 'This was not me',
    notMeHint: 'The address is then not confirmed for this account.',
    sure: 'I do not know this account',
    decline: 'Refuse',
    confirmed: 'The address is confirmed',
    confirmedHint: 'You can log in with it.',
    declined: 'The address was refused',
    declinedHint: 'The account does not have it.',
    undoTitle: 'Take the change back',
    undoHint: 'The account gets this address back, and is logged out everywhere:',
    undoSure: 'I did not change the address',
    undo: 'Take the change back',
    undone: 'The change was taken back',
    newPassword: 'Set a new password',
    undoneHint: 'Set a new password next: whoever changed the address may know the old one.',
  },
  ko: {
    title: '이메일 주소 확인',
    is: '이(가) 등록한 주소:',
    account: '계정',
    mine: '본인의 계정이라면 그 계정의 비밀번호로 확인해 주세요.',
    fromMail: '메일에 있는 코드, 그 메일을 받은 주소, 계정의 비밀번호를 입력하세요.',
    email: '이메일 주소',
    code: '코드',
    password: '계정 비밀번호',
    submit: '주소 확인하기',
    notMe: '제가 한 일이 아닙니다',
    notMeHint: '이 계정의 주소로 확인되지 않습니다.',
    sure: '모르는 계정입니다',
    decline: '거부하기',
    confirmed: '주소가 확인되었습니다',
    confirmedHint: '이제 이 주소로 로그인할 수 있습니다.',
    declined: '주소를 거부했습니다',
    declinedHint: '이 주소는 그 계정에 쓰이지 않습니다.',
    undoTitle: '주소 변경 되돌리기',
    undoHint: '계정의 주소가 다시 이 주소로 바뀌고, 모든 기기에서 로그아웃됩니다:',
    undoSure: '제가 주소를 바꾸지 않았습니다',
    undo: '변경 되돌리기',
    undone: '변경을 되돌렸습니다',
    newPassword: '새 비밀번호 설정',
    undoneHint: '이제 새 비밀번호를 설정하세요. 주소를 바꾼 사람이 비밀번호를 알고 있을 수 있습니다.',
  },
} satisfies Translated<Record<string, string>>

interface Verification {
  /** The token of the link; without it, the form asks for the code. */
  token?: string | undefined
  email?: string | undefined
  /** The name of the account, once it is known. */
  name?: string | undefined
  error?: string | undefined
}

/** The forms that confirm or decline an address. */
export function verifyPage({ token, email, name, error }: Verification, { path }: Site, locale: Locale): Page {
  const text = TEXTS[locale]
  const password = {
    name: 'password',
    label: text.password,
    type: 'password',
    autocomplete: 'current-password',
  } as const
  return {
    title: text.title,
    ...(error !== undefined && { status: 400 }),
    body: html`${complaint(error)}
${name !== undefined && html`<p>${text.account} <strong><bdi>${name}</bdi></strong> ${text.is} <strong><bdi>${email}</bdi></strong></p>`}
<p class="muted">${token === undefined ? text.fromMail : text.mine}</p>
<form method="post" action="${path}/account/verify">
${
  token === undefined
    ? html`${field({ name: 'email', label: text.email, type: 'email', autocomplete: 'username', value: email, maxLength: 320 })}
${field({ name: 'code', label: text.code, autocomplete: 'one-time-code', isCode: true, maxLength: 128 })}`
    : html`${hidden('token', token)}${name !== undefined && accountName(name)}`
}
${field({ ...password, isFirst: token !== undefined, isWrong: token !== undefined && error !== undefined })}
${button(text.submit)}
</form>
${
  token !== undefined &&
  html`<details class="more"><summary>${text.notMe}</summary>
<p class="muted">${text.notMeHint}</p>
<form method="post" action="${path}/account/verify">
${hidden('token', token)}${hidden('deed', 'decline')}
${checkbox('sure', text.sure)}
${button(text.decline, 'danger')}
</form></details>`
}`,
  }
}

/** The form that undoes a change of the address. */
export function undoPage(token: string, address: string, site: Pick<Site, 'path'> & { locale: Locale }): Page {
  const text = TEXTS[site.locale]
  return {
    title: text.undoTitle,
    body: html`<p>${text.undoHint} <strong><bdi>${address}</bdi></strong></p>
<form method="post" action="${site.path}/account/verify">
${hidden('token', token)}${hidden('deed', 'undo')}
${checkbox('sure', text.undoSure)}
${button(text.undo)}
</form>`,
  }
}

/** The page after the form. */
export function verifyDonePage(deed: 'confirmed' | 'declined' | 'undone', { path }: Site, locale: Locale): Page {
  const text = TEXTS[locale]
  const ways = {
    confirmed: wayToLogIn(path, locale),
    declined: '',
    undone: wayOn(`${path}/account/forgot`, text.newPassword),
  }
  return { title: text[deed], body: html`${success(text[`${deed}Hint`])}${ways[deed]}` }
}
