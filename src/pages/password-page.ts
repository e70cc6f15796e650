import type { User } from '../accounts/user-rows.js'
import { accountPage, type View } from './account-page.js'
import { accountName, button, field } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'New password',
    hint: 'You stay logged in here, and are logged out everywhere else.',
    current: 'Current password',
    new: 'New password',
    newHint: 'Several words in a row are easy to remember and hard to guess.',
    submit: 'Set the password',
  },
  ko: {
    title: '새 비밀번호',
    hint: '이 브라우저를 뺀 모든 곳에서 로그아웃됩니다.',
    current: '현재 비밀번호',
    new: '새 비밀번호',
    newHint: '단어 여러 개를 이어 쓰면 외우기 쉽고 짐작하기 어렵습니다.',
    submit: '비밀번호 설정',
  },
} satisfies Translated<Record<string, string>>

/** The form for a new password, which needs the old one. */
export function passwordPage({ username, email }: Pick<User, 'username' | 'email'>, view: View): Page {
  const text = TEXTS[view.locale]
  const body = html`<p class="muted">${text.hint}</p>
<form method="post" action="${view.path}/account/password">
${accountName(username ?? email ?? '')}
${field({ name: 'current_password', label: text.current, type: 'password', autocomplete: 'current-password', isFirst: true })}
${field({ name: 'new_password', label: text.new, type: 'password', autocomplete: 'new-password', hint: text.newHint })}
${button(text.submit)}
</form>`
  return accountPage(text.title, body, view)
}
