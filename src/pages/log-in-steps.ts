import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { FastifyRequest } from 'fastify'
import type { LoggedIn } from '../accounts/log-in.js'
import { TICKET_MAX_LENGTH } from '../accounts/login-tickets.js'
import { identifierKey } from '../accounts/names.js'
import type { PasskeyLogIn } from '../accounts/passkey-log-in.js'
import { clientOf } from '../audit/requester.js'
import type { ShownCode } from '../factors/factors.js'
import { ShownPasskey } from '../factors/passkey-schemas.js'
import { readTotpCode } from '../factors/totp.js'
import { toProblem } from '../http/problem-answers.js'
import type { Problem, ProblemCode } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, PASSWORD_MAX_LENGTH } from '../text-lengths.js'
import { EMAIL_CODE_MAX_LENGTH, emailCodeSentPage } from './email-code-page.js'
import { beginEnrollment, EnrollmentForm, enrollBy, type Place } from './enrollment-steps.js'
import type { Locale } from './languages.js'
import type { Page } from './layout.js'
import { FACTOR_CODE_MAX_LENGTH, factorPage, logInPage, type WaysOut } from './log-in-page.js'
import { PASSKEY_MAX_LENGTH, passkeyIn } from './passkey-forms.js'
import { sentenceOf } from './refusals.js'

/** Errors that the form shows, because the user can correct them there. */
const CORRECTABLE: readonly ProblemCode[] = [
  ...(['invalid_credentials', 'password_rejected', 'email_unverified', 'too_many_attempts'] as const),
  ...(['wrong_code', 'invalid_one_time_token', 'passkey_rejected', 'invalid_ticket'] as const),
]
/** Errors that show the second step again, if they occurred there. */
const OF_SECOND_STEP: readonly ProblemCode[] = ['mfa_required', 'wrong_code', 'passkey_rejected']

/** Only forms of an enrollment have a deed, so that none of them is taken for another form. */
const deed = Type.Optional(Type.Never())

/** The checkbox for a shared device. */
const shared = Type.Optional(Type.Literal('yes'))
const PasswordForm = Type.Object({
  username: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH }),
  shared,
  deed,
})
const ticket = Type.String({ minLength: 1, maxLength: TICKET_MAX_LENGTH })
const FactorForm = Type.Object({
  ticket,
  code: Type.String({ minLength: 1, maxLength: FACTOR_CODE_MAX_LENGTH }),
  shared,
  deed,
})

/** The form of emailCodeSentPage. */
const EmailCodeForm = Type.Object({
  email: Type.String({ minLength: 1, maxLength: IDENTIFIER_MAX_LENGTH }),
  code: Type.String({ minLength: 1, maxLength: EMAIL_CODE_MAX_LENGTH }),
  shared,
  deed,
})

/** Either form with the device's response, which takes precedence over typed values. */
const PasskeyForm = Type.Object({
  passkey: Type.String({ minLength: 1, maxLength: PASSKEY_MAX_LENGTH }),
  ticket: Type.Optional(ticket),
  username: Type.Optional(Type.String({ maxLength: IDENTIFIER_MAX_LENGTH })),
  shared,
  deed,
})

/** The forms of a log-in. Each is posted to the address of its page. */
export const LogInForm = Type.Union([PasskeyForm, PasswordForm, EmailCodeForm, FactorForm, EnrollmentForm])
export type LogInForm = Static<typeof LogInForm>
type OtherForm = Exclude<LogInForm, EnrollmentForm>

/**
 * The user that a form proves, with recovery codes if it added the first factor; or the next page.
 * @throws Problem as LogIn, PasskeyLogIn and CodeLogIn do
 */
export async function proveBy(
  form: LogInForm,
  request: FastifyRequest,
  place: Place,
): Promise<Page | { user: LoggedIn; recoveryCodes?: string[] }> {
  return 'deed' in form && form.deed !== undefined
    ? enrollBy(form, request, place)
    : { user: await prove(form as OtherForm, request) }
}

/** Checks which form it is again: a form may have fields of another one, which its own schema does not check. */
async function prove(form: OtherForm, request: FastifyRequest): Promise<LoggedIn> {
  const { codeLogIn, logIn, passkeyLogIn } = request.server
  const client = clientOf(request)
  if (Value.Check(PasskeyForm, form)) {
    const passkey = passkeyIn(form.passkey, ShownPasskey, request)
    if (form.ticket === undefined) return passkeyLogIn.authenticate(passkey, client)
    return logIn.complete(form.ticket, { passkey }, client)
  }
  if (Value.Check(EmailCodeForm, form))
    return codeLogIn.authenticate({ target: identifierKey(form.email), code: form.code }, client)
  if (Value.Check(PasswordForm, form)) return logIn.authenticate(form.username, form.password, client)
  return logIn.complete(form.ticket, codeTyped(form.code), client)
}

/** The code in the field for all kinds of codes. */
export function codeTyped(code: string): ShownCode {
  const totp = readTotpCode(code)
  return totp === undefined ? { recoveryCode: code } : { totp }
}

/** The form to continue with after a problem, with an error message. @throws the problem, if no form can correct it */
export async function logInPageAfter(
  problem: Problem,
  posted: LogInForm,
  request: FastifyRequest,
  { link, ...where }: Where,
): Promise<Page> {
  const again = (problem: Problem) =>
    logInPageAgain(problem, posted, { passkeys: request.server.passkeyLogIn, ...where })
  if (problem.code !== 'mfa_enrollment_required') return again(problem)
  const { action, locale } = where
  try {
    return await beginEnrollment(problem, request, { action, locale, isShared: posted.shared !== undefined, link })
  } catch (error) {
    return again(toProblem(error))
  }
}

async function logInPageAgain(
  problem: Problem,
  posted: LogInForm,
  { locale, passkeys, ...where }: Omit<Where, 'link'> & { passkeys: PasskeyLogIn },
): Promise<Page> {
  const isMissing = problem.code === 'mfa_required'
  if (!isMissing && !CORRECTABLE.includes(problem.code)) throw problem
  const error = isMissing ? undefined : sentenceOf(problem, locale)
  const form = { ...where, isShared: posted.shared !== undefined, error }
  const ticket = isMissing ? problem.extension?.ticket : 'ticket' in posted && posted.ticket
  if (typeof ticket === 'string' && OF_SECOND_STEP.includes(problem.code)) {
    return factorPage({ ...form, ticket, ...(await passkeys.secondStep(ticket)) }, locale)
  }
  if (Value.Check(EmailCodeForm, posted)) {
    const another = where.waysOut.emailCode
    return emailCodeSentPage({ ...form, another, email: posted.email }, locale)
  }
  const username = 'username' in posted ? posted.username : undefined
  return logInPage({ ...form, username, question: passkeys.offer() }, locale)
}

interface Where {
  action: string
  client?: string
  waysOut: WaysOut
  locale: Locale
  /** The token of an operator's link, if the user followed one. */
  link?: string | undefined
}
