import type { User } from '../accounts/user-rows.js'
import type { View } from './account-page.js'
import { button, hidden, success } from './forms.js'
import { html } from './html.js'
import type { Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: { title: 'Your account', loggedInAs: 'You are logged in as', logOut: 'Log out', gone: 'The account is deleted' },
  ko: { title: '내 계정', loggedInAs: '로그인한 계정:', logOut: '로그아웃', gone: '계정이 삭제되었습니다' },
} satisfies Translated<Record<string, string>>

/** The pages of the account, in the order of the list. Passkeys are on the page of second factors. */
const SECTIONS: [page: string, label: Translated<string>, hint: Translated<string>][] = [
  ['profile', { en: 'Profile', ko: '프로필' }, { en: 'Your name, and the language of mails', ko: '이름, 메일의 언어' }],
  [
    'address',
    { en: 'E-mail address', ko: '이메일 주소' },
    { en: 'To log in with, and for a forgotten password', ko: '로그인과 비밀번호 찾기에 씁니다' },
  ],
  ['password', { en: 'Password', ko: '비밀번호' }, { en: 'Set a new one', ko: '새로 정합니다' }],
  [
    'second-factor',
    { en: 'Second factor', ko: '2단계 인증' },
    { en: 'An authenticator app, and recovery codes', ko: '인증 앱과 복구 코드' },
  ],
  [
    'sessions',
    { en: 'Where you are logged in', ko: '로그인한 기기' },
    { en: 'End log-ins that you do not recognise', ko: '모르는 로그인을 끝냅니다' },
  ],
  [
    'apps',
    { en: 'Applications with access', ko: '접근을 허용한 앱' },
    { en: 'What they may do, and how to take it back', ko: '할 수 있는 일을 보고 허용을 취소합니다' },
  ],
  ['api-keys', { en: 'API keys', ko: 'API 키' }, { en: 'For scripts of yours', ko: '직접 만든 프로그램에 씁니다' }],
  [
    'export',
    { en: 'Download your data', ko: '내 데이터 내려받기' },
    { en: 'All that is stored about you', ko: '저장된 내 정보를 모두 내려받습니다' },
  ],
  [
    'delete',
    { en: 'Delete the account', ko: '계정 삭제' },
    { en: 'With everything that belongs to it', ko: '모든 데이터를 함께 지웁니다' },
  ],
]

/** The first page of the account: the logged-in user, and links to the other pages. */
export function overviewPage(user: User, { path, locale }: View): Page {
  const text = TEXTS[locale]
  return {
    title: text.title,
    body: html`<p class="muted">${text.loggedInAs} <strong><bdi>${user.name ?? user.username ?? user.email ?? ''}</bdi></strong></p>
<nav><ul class="list">${SECTIONS.map(
      ([page, label, hint]) =>
        html`<li><a class="entry" href="${path}/account/${page}"><span>${label[locale]}</span><span class="hint">${hint[locale]}</span></a></li>`,
    )}</ul></nav>
<form method="post" action="${path}/account">
${hidden('deed', 'log-out')}
${button(text.logOut, 'quiet')}
</form>`,
  }
}

/** The page after the account was deleted. */
export function goneDonePage({ locale }: View): Page {
  return { title: TEXTS[locale].gone, body: success(TEXTS[locale].gone) }
}
