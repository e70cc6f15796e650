import type { User } from '../accounts/user-rows.js'
import { accountPage, type View } from './account-page.js'
import { accountName, button, checkbox, field } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Delete the account',
    hint: 'The account, all that belongs to it and every log-in are deleted immediately. They cannot be restored.',
    password: 'Current password',
    sure: 'Delete my account and everything in it',
    submit: 'Delete the account',
  },
  ko: {
    title: '계정 삭제',
    hint: '계정과 모든 데이터, 모든 로그인이 바로 사라집니다. 누구도 되돌릴 수 없습니다.',
    password: '현재 비밀번호',
    sure: '내 계정과 모든 데이터를 지웁니다',
    submit: '계정 삭제',
  },
} satisfies Translated<Record<string, string>>

export function deletePage({ username, email }: Pick<User, 'username' | 'email'>, view: View): Page {
  const text = TEXTS[view.locale]
  const body = html`<p>${text.hint}</p>
<form method="post" action="${view.path}/account/delete">
${accountName(username ?? email ?? '')}
${field({ name: 'current_password', label: text.password, type: 'password', autocomplete: 'current-password', isWrong: view.error !== undefined })}
${checkbox('sure', text.sure)}
${button(text.submit, 'danger')}
</form>`
  return accountPage(text.title, body, view)
}
