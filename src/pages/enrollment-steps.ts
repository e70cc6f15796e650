import { type Static, Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import type { Enrolled } from '../accounts/enrollments.js'
import { TICKET_MAX_LENGTH } from '../accounts/login-tickets.js'
import { withNameKey } from '../accounts/names.js'
import { clientOf } from '../audit/requester.js'
import { CreatedPasskey } from '../factors/passkey-schemas.js'
import { qrCode } from '../factors/qr-codes.js'
import { toProblem } from '../http/problem-answers.js'
import { serviceName } from '../mail/composer.js'
import type { Problem, ProblemCode } from '../problems.js'
import { FACTOR_NAME_MAX_LENGTH } from '../text-lengths.js'
import { appPage, mailedPage, methodsPage, operatorPage, replacedIn, type Step } from './enrollment-page.js'
import type { Page } from './layout.js'
import { PASSKEY_MAX_LENGTH, passkeyIn } from './passkey-forms.js'
import { sentenceOf } from './refusals.js'

const fields = {
  ticket: Type.String({ minLength: 1, maxLength: TICKET_MAX_LENGTH }),
  shared: Type.Optional(Type.Literal('yes')),
}
const code = Type.String({ minLength: 1, maxLength: 32 })

/** The forms that add the first second factor during a log-in. */
export const EnrollmentForm = Type.Union([
  Type.Object({ ...fields, deed: Type.Literal('confirm-enrollment'), code }),
  Type.Object({ ...fields, deed: Type.Literal('enroll-app') }),
  Type.Object({
    ...fields,
    deed: Type.Literal('complete-enrollment'),
    code,
    /** From the previous page, to be shown again if the code is wrong. */
    uri: Type.String({ pattern: '^otpauth://totp/[!-~]+$', maxLength: 1_024 }),
  }),
  Type.Object({
    ...fields,
    deed: Type.Literal('enroll-passkey'),
    passkey: Type.String({ minLength: 1, maxLength: PASSKEY_MAX_LENGTH }),
    'passkey-name': Type.Optional(Type.String({ maxLength: FACTOR_NAME_MAX_LENGTH })),
  }),
])
export type EnrollmentForm = Static<typeof EnrollmentForm>

/** The address of the forms of an enrollment, and the token of an operator's link, if the user followed one. */
export interface Place extends Pick<Step, 'action' | 'isShared' | 'locale'> {
  link?: string | undefined
}

/**
 * The next page of an enrollment, or the completed enrollment.
 * @throws Problem invalid_ticket, and errors that no form can correct
 */
export async function enrollBy(form: EnrollmentForm, request: FastifyRequest, place: Place): Promise<Page | Enrolled> {
  const { enrollments, config } = request.server
  const client = clientOf(request)
  const step = { ...place, ticket: form.ticket }
  if (form.deed === 'enroll-app') {
    const { uri } = await enrollments.begin(form.ticket, { name: null, issuer: serviceName(config) }, client)
    return appPage({ uri, qr: await qrCode(uri) }, step)
  }
  try {
    if (form.deed === 'confirm-enrollment') {
      const ticket = await enrollments.confirm(form.ticket, { code: form.code }, client)
      return await methodsOf(request, { ...step, ticket })
    }
    if (form.deed === 'complete-enrollment') return await enrollments.complete(form.ticket, form.code, client)
    const response = passkeyIn(form.passkey, CreatedPasskey, request)
    const name = withNameKey(form['passkey-name'] ?? null).name || null
    return await enrollments.completeWithPasskey(form.ticket, { name, response }, client)
  } catch (error) {
    const again = { ...step, error: errorText(error, CORRECTABLE[form.deed], step) }
    if (form.deed === 'confirm-enrollment') return mailedPage(again)
    if (form.deed === 'enroll-passkey') return methodsOf(request, again)
    if (!(await enrollments.hasBegun(form.ticket, form.uri, client))) {
      return methodsOf(request, { ...step, error: replacedIn(step.locale) })
    }
    return appPage({ uri: form.uri, qr: await qrCode(form.uri) }, again)
  }
}

/**
 * The first page of an enrollment, for a problem `mfa_enrollment_required`.
 * @throws Problem invalid_one_time_token of a link
 */
export async function beginEnrollment(problem: Problem, request: FastifyRequest, place: Place): Promise<Page> {
  const { enrollments } = request.server
  const { ticket, confirmation } = problem.extension as { ticket: string; confirmation: string }
  const client = clientOf(request)
  const step = { ...place, ticket }
  if (confirmation === 'none') return methodsOf(request, step)
  if (place.link !== undefined) {
    const confirmed = await enrollments.confirm(ticket, { token: place.link }, client)
    return methodsOf(request, { ...step, ticket: confirmed })
  }
  if (confirmation !== 'email') return operatorPage(place.locale)
  await enrollments.sendCode(ticket, { client, locale: place.locale })
  return mailedPage(step)
}

async function methodsOf(request: FastifyRequest, step: Step): Promise<Page> {
  const { enrollments, config, passkeys } = request.server
  const client = clientOf(request)
  const making = passkeys.areAvailable
    ? await enrollments.passkeyOptions(step.ticket, serviceName(config), client)
    : undefined
  return methodsPage(making, step)
}

const CORRECTABLE = {
  'confirm-enrollment': ['invalid_one_time_token', 'too_many_attempts'],
  'complete-enrollment': ['wrong_code'],
  'enroll-passkey': ['passkey_rejected', 'name_rejected'],
} as const satisfies Record<string, readonly ProblemCode[]>

/** The error as text. @throws the error, if the user cannot correct it in the form */
function errorText(error: unknown, codes: readonly ProblemCode[], { locale }: Step): string {
  const problem = toProblem(error)
  if (!codes.includes(problem.code)) throw error
  return sentenceOf(problem, locale)
}
