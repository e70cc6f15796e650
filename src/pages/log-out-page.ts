import { button, hidden, success, wayOn, wayToLogIn } from './forms.js'
import { html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page, Site } from './layout.js'

type Text = 'title' | 'asks' | 'submit' | 'done' | 'gone' | 'link'

const TEXTS: Translated<Record<Text, string>> = {
  en: {
    title: 'Log out?',
    asks: 'This browser is then logged out here and of the applications that you logged in to with it.',
    submit: 'Log out',
    done: 'Logged out',
    gone: 'You are logged out.',
    link: 'Continue',
  },
  ko: {
    title: '로그아웃할까요?',
    asks: '이 브라우저가 여기와, 이 브라우저로 로그인한 앱에서 로그아웃됩니다.',
    submit: '로그아웃',
    done: '로그아웃',
    gone: '로그아웃했습니다.',
    link: '계속하기',
  },
}

/** The log-out button, for users whose client sent no id_token of theirs. */
export function logOutPage(action: string, locale: Locale): Page {
  const text = TEXTS[locale]
  return {
    title: text.title,
    body: html`<p>${text.asks}</p>
<form method="post" action="${action}">
${hidden('deed', 'log_out')}
${button(text.submit)}
</form>`,
  }
}

/** The page after a log-out, with a link back to the client, if any. */
export function loggedOutPage(address: string | undefined, { path }: Pick<Site, 'path'>, locale: Locale): Page {
  const text = TEXTS[locale]
  const way = address === undefined ? wayToLogIn(path, locale) : wayOn(address, text.link)
  return { title: text.done, body: html`${success(text.gone)}${way}` }
}
