import { type Static, Type } from '@sinclair/typebox'
import type { LoggedIn, LogIn } from '../accounts/log-in.js'
import type { Client } from '../audit/requester.js'
import type { ShownCode } from '../factors/factors.js'
import { readTotpCode } from '../factors/totp.js'
import type { Problem, ProblemCode } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../text-lengths.js'
import type { Locale } from './languages.js'
import type { Page } from './layout.js'
import { FACTOR_CODE_MAX_LENGTH, factorPage, logInPage, type WaysOut } from './log-in-page.js'
import { sentenceOf } from './refusals.js'

/** What the form shows above itself, because the person can mend it there. */
const MENDABLE: readonly ProblemCode[] = [
  ...(['invalid_credentials', 'password_rejected', 'email_unverified', 'too_many_attempts'] as const),
  ...(['wrong_code', 'invalid_ticket'] as const),
]

/** The box that says that the device is somebody else's. */
const shared = Type.Optional(Type.Literal('yes'))
const PasswordForm = Type.Object({
  username: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
  shared,
})
const FactorForm = Type.Object({
  ticket: Type.String({ minLength: 1, maxLength: 512 }),
  code: Type.String({ minLength: 1, maxLength: FACTOR_CODE_MAX_LENGTH }),
  shared,
})

/** The forms of a log-in, each posted to where its page stands. */
export const LogInForm = Type.Union([PasswordForm, FactorForm])
export type LogInForm = Static<typeof LogInForm>

/** Whoever a form proves. @throws Problem as LogIn does */
export function proveBy(form: LogInForm, logIn: LogIn, client: Client): Promise<LoggedIn> {
  if (!('ticket' in form)) return logIn.authenticate(form.username, form.password, client)
  return logIn.complete(form.ticket, codeTyped(form.code), client)
}

/** What somebody typed into the one field for all codes. */
export function codeTyped(code: string): ShownCode {
  const totp = readTotpCode(code)
  return totp === undefined ? { recoveryCode: code } : { totp }
}

/** The form that goes on after a problem, with what is wrong. @throws the problem, if no form can mend it */
export function logInPageAfter(
  problem: Problem,
  posted: LogInForm,
  { locale, ...where }: { action: string; client?: string; waysOut: WaysOut; locale: Locale },
): Page {
  const form = { ...where, isShared: posted.shared !== undefined }
  const ticket = 'ticket' in posted ? posted.ticket : problem.extension?.ticket
  if (problem.code === 'mfa_required') return factorPage({ ...form, ticket: String(ticket) }, locale)
  if (!MENDABLE.includes(problem.code)) throw problem
  const error = sentenceOf(problem, locale)
  if (problem.code === 'wrong_code') return factorPage({ ...form, ticket: String(ticket), error }, locale)
  return logInPage({ ...form, error, ...('username' in posted && { username: posted.username }) }, locale)
}
