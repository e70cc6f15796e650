import { accountPage, type View } from './account-page.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    codes: 'Your recovery codes',
    codesHint: 'Keep them where you find them without your phone. Each works once, in place of a code of the app.',
    key: 'Your new API key',
    keyHint: 'It goes into the Authorization header: Bearer, a space, and the key.',
    once: 'They are shown only now: print this page, copy them or save them.',
    keyOnce: 'It is shown only now: copy it or save it.',
    save: 'Save as a file',
  },
  ko: {
    codes: '복구 코드',
    codesHint: '휴대전화 없이도 찾을 수 있는 곳에 보관하세요. 코드마다 한 번씩, 앱의 코드 대신 쓸 수 있습니다.',
    key: '새 API 키',
    keyHint: 'Authorization 헤더에 Bearer, 빈칸, 키의 순서로 씁니다.',
    once: '지금만 볼 수 있습니다. 인쇄하거나 복사하거나 파일로 저장하세요.',
    keyOnce: '지금만 볼 수 있습니다. 복사하거나 파일로 저장하세요.',
    save: '파일로 저장',
  },
} satisfies Translated<Record<string, string>>

/** New recovery codes, which are shown only once. */
export function recoveryCodesPage(codes: readonly string[], view: View): Page {
  const { title, body } = recoveryCodesPart(codes, view.locale)
  return accountPage(title, body, view)
}

/** The same, for a page outside of the account. */
export function recoveryCodesPart(codes: readonly string[], locale: Locale) {
  const { codes: title, codesHint: hint, once } = TEXTS[locale]
  return { title, body: oncePart({ hint, once, secret: codes.join('\n'), file: 'recovery-codes.txt' }, locale) }
}

/** A new API key, which is shown only once. */
export function newKeyPage(key: string, view: View): Page {
  const { key: title, keyHint, keyOnce } = TEXTS[view.locale]
  return accountPage(
    title,
    oncePart({ hint: keyHint, once: keyOnce, secret: key, file: 'api-key.txt' }, view.locale),
    view,
  )
}

function oncePart(
  { hint, once, secret, file }: Record<'hint' | 'once' | 'secret' | 'file', string>,
  locale: Locale,
): Html {
  const address = `data:text/plain;charset=utf-8,${encodeURIComponent(`${secret}\n`)}`
  return html`<p>${hint}</p><p class="note good" role="status">${once}</p>
<p class="secret" translate="no">${secret}</p>
<p><a class="button quiet" download="${file}" href="${address}">${TEXTS[locale].save}</a></p>`
}
