import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { publicPath } from '../config/public-url.js'
import { toProblem } from '../http/problem-answers.js'
import { Problem, type ProblemCode } from '../problems.js'
import { complaint, hidden, success } from './forms.js'
import { Html, html } from './html.js'
import { type Locale, pageLanguage, type Translated } from './languages.js'
import type { Page } from './layout.js'
import { sentenceOf } from './refusals.js'

const BACK: Translated<string> = { en: 'Back to your account', ko: '내 계정으로 돌아가기' }
const DONE: Translated<string> = { en: 'Done.', ko: '완료했습니다.' }

/** The query of a page after its form has succeeded. */
export const Done = Type.Object({ done: Type.Optional(Type.Literal('1')) })

/** How a page of the account is displayed. */
export interface View {
  /** The path of the service, without a trailing slash. */
  path: string
  locale: Locale
  /** The id of the user that the page belongs to. */
  owner: number
  /** Whether the form on the page has just succeeded. */
  isDone: boolean
  /** What is wrong with the submitted form. */
  error?: string
  /** The status of a page with an error; 400 by default. */
  status?: number
}

export function viewOf(request: FastifyRequest, error?: string): View {
  const { done } = (request.query ?? {}) as { done?: string }
  const owner = request.user.userId
  const view = { path: publicPath(request.server.config), locale: pageLanguage(request), owner }
  return { ...view, isDone: done !== undefined && error === undefined, ...(error !== undefined && { error }) }
}

/** A page of the account: success or error, content, and a link back. Its forms name the owner, for `refuseOther`. */
export function accountPage(title: string, body: Html, view: View): Page {
  const { path, locale, isDone, error, status = 400 } = view
  return {
    title,
    ...(error !== undefined && { status }),
    body: html`${complaint(error)}${isDone && success(DONE[locale])}
${withOwner(body, view)}
<p class="more"><a href="${path}/account">${BACK[locale]}</a></p>`,
  }
}

/**
 * Refuses a form of a page that another user opened in this browser: another tab has logged in to another account, and
 * the form would change that one. A mistake, not an attack: a form without an owner is accepted.
 * @throws Problem other_account
 */
export async function refuseOther({ body, user }: FastifyRequest): Promise<void> {
  const { owner } = (body ?? {}) as { owner?: unknown }
  if (owner !== undefined && owner !== String(user.userId)) throw new Problem('other_account')
}

/** The view of a form with this error. @throws the error, if the user cannot correct it in the form */
export function errorView(error: unknown, codes: readonly ProblemCode[], request: FastifyRequest): View {
  const problem = toProblem(error)
  if (!codes.includes(problem.code)) throw error
  const view = viewOf(request, sentenceOf(problem, pageLanguage(request)))
  return problem.code === 'not_found' ? { ...view, status: problem.status } : view
}

/** Redirects to the page after its form has succeeded, so that a reload does not submit the form again. */
export function doneOn(reply: FastifyReply, page: string): FastifyReply {
  return reply.redirect(`${publicPath(reply.server.config)}/account/${page}?done=1`, 303)
}

/** A time in the user's language. */
export function timeText(milliseconds: number, locale: Locale): Html {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
  const iso = new Date(milliseconds).toISOString()
  return html`<time datetime="${iso}">${format.format(milliseconds)} UTC</time>`
}

function withOwner({ text }: Html, { owner }: View): Html {
  return new Html(text.replaceAll(/<form method="post"[^>]*>/g, (form) => form + hidden('owner', String(owner)).text))
}
