import { accountPage, timeText, type View } from './account-page.js'
import { programOf } from './browsers.js'
import { button, hidden } from './forms.js'
import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'
import type { Page } from './layout.js'

const TEXTS = {
  en: {
    title: 'Where you are logged in',
    hint: 'End the log-ins that you do not recognise, and set a new password.',
    here: 'this browser',
    unknown: 'Unknown program',
    on: (program: string, system: string) => `${program} on ${system}`,
    from: 'from',
    since: 'since',
    used: 'last used',
    end: 'End',
    endOthers: 'Log out everywhere else',
    alone: 'You are logged in nowhere else.',
  },
  ko: {
    title: '로그인한 기기',
    hint: '모르는 로그인이 있으면 끝내고 새 비밀번호를 설정하세요.',
    here: '이 브라우저',
    unknown: '알 수 없는 프로그램',
    on: (program: string, system: string) => `${system}의 ${program}`,
    from: '접속 주소',
    since: '로그인',
    used: '마지막 사용',
    end: '끝내기',
    endOthers: '다른 모든 곳에서 로그아웃',
    alone: '다른 곳에서는 로그인하지 않았습니다.',
  },
} satisfies Translated<Record<string, unknown>>

/** A session, as its owner sees it. */
interface Session {
  id: string
  ip: string
  userAgent: string | null
  createdAt: number
  lastUsedAt: number
}

/** All sessions, the current one first, each with a button to log it out. */
export function sessionsPage(sessions: readonly Session[], currentId: string, view: View): Page {
  const text = TEXTS[view.locale]
  const others = sessions.filter(({ id }) => id !== currentId)
  const current = sessions.filter(({ id }) => id === currentId)
  const body = html`<p class="muted">${others.length > 0 ? text.hint : text.alone}</p>
<ul class="list">${[...current, ...others].map((session) => item(session, session.id === currentId, view))}</ul>
${
  others.length > 0 &&
  html`<form method="post" action="${view.path}/account/sessions">${hidden('deed', 'end-others')}${button(text.endOthers, 'danger')}</form>`
}`
  return { ...accountPage(text.title, body, view), isWide: true }
}

function item({ id, ip, userAgent, createdAt, lastUsedAt }: Session, isCurrent: boolean, { path, locale }: View): Html {
  const text = TEXTS[locale]
  return html`<li class="row"><div><strong>${nameOf(userAgent, locale)}</strong>${isCurrent && html` <span class="tag">${text.here}</span>`}
<span class="hint">${text.from} ${ip} &middot; ${text.since} ${timeText(createdAt, locale)}${
    !isCurrent && html` &middot; ${text.used} ${timeText(lastUsedAt, locale)}`
  }</span></div>
<form method="post" action="${path}/account/sessions">${hidden('deed', 'end')}${hidden('id', id)}${button(text.end, 'quiet')}</form></li>`
}

function nameOf(userAgent: string | null, locale: Locale): string {
  const text = TEXTS[locale]
  const { program, system } = programOf(userAgent)
  return program && system ? text.on(program, system) : (program ?? system ?? text.unknown)
}
