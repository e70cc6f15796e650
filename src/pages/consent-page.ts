import { OWN_SCOPES } from '../clients/scopes.js'
import { hidden } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

type Text = 'title' | 'asks' | 'nothing' | 'goesTo' | 'account' | 'other' | 'yes' | 'no' | 'later'

const TEXTS: Translated<Record<Text, string>> = {
  en: {
    title: 'Allow access?',
    asks: 'asks for this:',
    nothing: 'It learns that you have an account here, and nothing else.',
    goesTo: 'You go on to',
    account: 'You are logged in as',
    other: 'Use another account',
    yes: 'Allow',
    no: 'Do not allow',
    later: 'You can take it back in your account at any time.',
  },
  ko: {
    title: '접근을 허용할까요?',
    asks: '앱이 다음 권한을 요청합니다:',
    nothing: '계정이 있다는 사실 외에는 아무것도 알 수 없습니다.',
    goesTo: '이동할 주소:',
    account: '로그인한 계정:',
    other: '다른 계정 사용',
    yes: '허용',
    no: '허용하지 않음',
    later: '허용한 권한은 계정 페이지에서 언제든지 취소할 수 있습니다.',
  },
}

const KOREAN: Record<keyof typeof OWN_SCOPES, string> = {
  openid: '로그인 확인',
  offline_access: '로그인 상태 유지',
  profile: '계정 정보 보기: 이름, 언어',
  email: '이메일 주소 보기',
  roles: '다른 서비스에서의 역할 보기',
  'todos:read': '할 일 보기',
  'todos:write': '할 일 만들기, 바꾸기, 지우기',
  'tutorials:read': '튜토리얼 보기',
  'tutorials:write': '튜토리얼 만들기, 바꾸기, 지우기',
  'users:read': '관리자로서 계정 보기',
  'users:write': '관리자로서 계정 바꾸기',
  'events:read': '관리자로서 감사 로그 보기',
}

interface Consent {
  action: string
  /** Where somebody else logs in. */
  otherAccount: string
  client: string
  redirectUri: string
  words: readonly string[]
  user: { id: number; name: string }
}

/** Asks whether a client of others may have what it asks for. */
export function consentPage({ action, otherAccount, client, redirectUri, words, user }: Consent, locale: Locale): Page {
  const text = TEXTS[locale]
  const described = words.map((word) => html`<li>${descriptionOf(word, locale)}</li>`)
  return {
    title: text.title,
    body: html`<p><strong>${client}</strong> ${text.asks}</p>
${words.length > 0 ? html`<ul>${described}</ul>` : html`<p>${text.nothing}</p>`}
<p>${text.account} <strong>${user.name}</strong>. <a href="${otherAccount}">${text.other}</a></p>
<p>${text.goesTo} <strong>${new URL(redirectUri).host || redirectUri}</strong></p>
<form method="post" action="${action}">
${hidden('account', String(user.id))}
<button name="consent" value="yes">${text.yes}</button>
<button class="quiet" name="consent" value="no">${text.no}</button>
</form>
<p class="hint">${text.later}</p>`,
  }
}

function descriptionOf(word: string, locale: Locale): string {
  if (!Object.hasOwn(OWN_SCOPES, word)) return word
  const own = word as keyof typeof OWN_SCOPES
  return locale === 'ko' ? KOREAN[own] : OWN_SCOPES[own]
}
