import { hidden } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'
import { describeScope } from './scope-texts.js'

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

interface Consent {
  action: string
  /** The link to log in with another account. */
  otherAccount: string | undefined
  client: string
  redirectUri: string
  words: readonly string[]
  /** The name of the user. */
  user: string
  /** The session that the consent is valid for. */
  sessionId: string
}

/** Asks the user for consent to the scope that a third-party client requests. */
export function consentPage(
  { action, otherAccount, client, redirectUri, words, user, sessionId }: Consent,
  locale: Locale,
): Page {
  const text = TEXTS[locale]
  const described = words.map((word) => html`<li>${describeScope(word, locale)}</li>`)
  return {
    title: text.title,
    body: html`<p><strong><bdi>${client}</bdi></strong> ${text.asks}</p>
${words.length > 0 ? html`<ul>${described}</ul>` : html`<p>${text.nothing}</p>`}
<p>${text.account} <strong><bdi>${user}</bdi></strong>.${otherAccount !== undefined && html` <a href="${otherAccount}">${text.other}</a>`}</p>
<p>${text.goesTo} <strong><bdi>${new URL(redirectUri).host || redirectUri}</bdi></strong></p>
<form method="post" action="${action}">
${hidden('session', sessionId)}
<button name="consent" value="yes">${text.yes}</button>
<button class="quiet" name="consent" value="no">${text.no}</button>
</form>
<p class="hint">${text.later}</p>`,
  }
}
