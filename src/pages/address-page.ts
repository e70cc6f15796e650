import type { User } from '../accounts/user-rows.js'
import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { accountPage, type View } from './account-page.js'
import { button, field, hidden } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'E-mail address',
    now: 'Your address',
    none: 'You have no address yet. With one you can set a new password if you forget yours.',
    confirmed: 'confirmed',
    unconfirmed: 'not confirmed',
    waits: 'waits to be confirmed: a mail with a link was sent there. Until then nothing changes.',
    code: 'Type the code of the mail',
    withdraw: 'Cancel the change',
    undo: 'The old address gets a mail as well, and can take the change back for a week.',
    new: 'New address',
    password: 'Current password',
    submit: 'Change the address',
  },
  ko: {
    title: '이메일 주소',
    now: '현재 주소:',
    none: '아직 주소가 없습니다. 주소가 있으면 비밀번호를 잊었을 때 새로 정할 수 있습니다.',
    confirmed: '확인됨',
    unconfirmed: '확인되지 않음',
    waits: '주소를 확인하는 링크를 메일로 보냈습니다. 확인하기 전에는 아무것도 바뀌지 않습니다.',
    code: '메일의 코드 입력하기',
    withdraw: '주소 변경 취소',
    undo: '이전 주소로도 메일을 보내며, 일주일 안에 그 메일로 변경을 되돌릴 수 있습니다.',
    new: '새 주소',
    password: '현재 비밀번호',
    submit: '주소 바꾸기',
  },
} satisfies Translated<Record<string, string>>

type Addresses = Pick<User, 'email' | 'emailVerifiedAt' | 'pendingEmail'>

/** The confirmed and the pending address of an account, and the form for another. */
export function addressPage(
  user: Addresses,
  { isMailOn, typed }: { isMailOn: boolean; typed?: string },
  view: View,
): Page {
  const text = TEXTS[view.locale]
  const { email, pendingEmail } = user
  const state = user.emailVerifiedAt === null ? text.unconfirmed : text.confirmed
  const body = html`${
    email === null
      ? html`<p>${text.none}</p>`
      : html`<p>${text.now} <strong><bdi>${email}</bdi></strong>${isMailOn && html` <span class="tag">${state}</span>`}</p>`
  }
${
  pendingEmail !== null &&
  html`<div class="note"><strong><bdi>${pendingEmail}</bdi></strong> ${text.waits} <a href="${view.path}/account/verify">${text.code}</a>
<form method="post" action="${view.path}/account/address">${hidden('deed', 'withdraw')}${button(text.withdraw, 'quiet')}</form></div>`
}
<form method="post" action="${view.path}/account/address">
${field({
  name: 'email',
  label: text.new,
  type: 'email',
  autocomplete: 'email',
  value: typed,
  hint: isMailOn && email !== null ? text.undo : undefined,
  maxLength: IDENTIFIER_MAX_LENGTH,
})}
${field({ name: 'current_password', label: text.password, type: 'password', autocomplete: 'current-password' })}
${button(text.submit)}
</form>`
  return accountPage(text.title, body, view)
}
