import { accountPage, type View } from './account-page.js'
import { button } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Download your data',
    what: 'A file (JSON) with all that is stored about you: your account, where you are logged in, what happened to your account, and what you have saved here.',
    secret: 'It holds no password and no key. Keep it to yourself all the same.',
    submit: 'Download',
  },
  ko: {
    title: '내 데이터 내려받기',
    what: '저장된 내 정보를 모두 담은 파일(JSON)입니다. 계정, 로그인한 기기, 계정 활동 기록, 저장한 데이터가 들어 있습니다.',
    secret: '비밀번호와 키는 들어 있지 않지만, 다른 사람에게 보여 주지 마세요.',
    submit: '내려받기',
  },
} satisfies Translated<Record<string, string>>

/** The page to download all stored data. */
export function exportPage(view: View): Page {
  const text = TEXTS[view.locale]
  const body = html`<p>${text.what}</p>
<p class="muted">${text.secret}</p>
<form method="post" action="${view.path}/account/export">${button(text.submit)}</form>`
  return accountPage(text.title, body, view)
}
