interface Definition {
  status: number
  /** The public message: what happened and, where it helps, what to do. */
  title: string
  headers?: Record<string, string>
}

const CHALLENGE = 'Bearer realm="latchkey"'
const RETRY_SOON = { 'retry-after': '1' }

/** All errors of this service, with stable codes, statuses and public messages. */
export const PROBLEMS = {
  validation_failed: { status: 400, title: 'The request is not valid; errors says where.' },
  malformed_body: { status: 400, title: 'The body cannot be read in the format its Content-Type names.' },
  malformed_url: { status: 400, title: 'The address of the request cannot be decoded.' },
  malformed_request: { status: 400, title: 'The request is not valid HTTP.' },
  malformed_authorization: {
    status: 400,
    title: 'The Authorization header must be "Bearer <token>" with one space and one token.',
    headers: { 'www-authenticate': `${CHALLENGE}, error="invalid_request"` },
  },
  invalid_cursor: { status: 400, title: 'The cursor is not one that this list gave out.' },
  invalid_grant: { status: 400, title: 'The refresh token is not valid, was used before, has expired or was revoked.' },
  invalid_one_time_token: {
    status: 400,
    title: 'The link or the code is not valid, was used before or has expired; ask for a new one.',
  },
  client_unknown: { status: 400, title: 'No application of this client_id is registered here.' },
  redirect_uri_unknown: { status: 400, title: 'The application has not registered this redirect_uri.' },
  invalid_ticket: { status: 400, title: 'The ticket is not valid or has expired; log in again.' },
  invalid_reset_token: { status: 400, title: 'The token is not valid, was used before or has expired.' },
  text_rejected: { status: 400, title: 'Text cannot hold NUL (U+0000) or unpaired surrogates.' },
  username_rejected: { status: 400, title: 'The user name cannot be used.' },
  email_rejected: { status: 400, title: 'The e-mail address cannot be used.' },
  name_rejected: { status: 400, title: 'The name cannot be used.' },
  password_rejected: { status: 400, title: 'The password cannot be used.' },
  client_rejected: { status: 400, title: 'The client cannot be registered in this way; see detail.' },
  key_rejected: { status: 400, title: 'The API key cannot be made in this way; see detail.' },
  missing_token: {
    status: 401,
    title: 'This operation needs an access token in the Authorization header.',
    headers: { 'www-authenticate': CHALLENGE },
  },
  invalid_token: {
    status: 401,
    title: 'The access token is not valid, has expired or was revoked.',
    headers: { 'www-authenticate': `${CHALLENGE}, error="invalid_token"` },
  },
  invalid_credentials: {
    status: 401,
    title: 'The user name or the password is wrong.',
    headers: { 'www-authenticate': CHALLENGE },
  },
  reauthentication_required: {
    status: 401,
    title: 'This needs a log-in of the last five minutes: prove who you are at POST /v1/reauthenticate.',
    headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_user_authentication", max_age="300"` },
  },
  wrong_password: { status: 403, title: 'The current password is wrong.' },
  wrong_code: { status: 403, title: 'The code is wrong, was used before or has expired.' },
  passkey_rejected: {
    status: 403,
    title: 'The passkey is not known here, or what it answered is not valid, was used before or has expired.',
  },
  mfa_enrollment_required: {
    status: 403,
    title: 'That is right so far; this account needs a second factor and has none. Add one with the ticket.',
  },
  enrollment_unconfirmed: {
    status: 403,
    title:
      'Confirm first that it is you, as the confirmation of the ticket says: by a mailed code, or by a link of an operator.',
  },
  mfa_disabled: { status: 403, title: 'Nobody can add a second factor here; MFA is off.' },
  mfa_required: { status: 403, title: 'That is right so far; a second factor is needed too.' },
  insufficient_scope: {
    status: 403,
    title: 'The access token does not reach this far; detail says what it lacks.',
    headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_scope"` },
  },
  email_unverified: { status: 403, title: 'The address is not confirmed yet; use the mail that was sent to it.' },
  email_login_disabled: { status: 403, title: 'Nobody can log in with a mailed code here; EMAIL_LOGIN is off.' },
  mail_disabled: { status: 403, title: 'This service sends no mail; ask an admin.' },
  foreign_form: { status: 403, title: 'This form was sent by a page of another site.' },
  account_protected: { status: 403, title: 'This may not be done to this account in this way; see detail.' },
  registration_closed: { status: 403, title: 'People cannot register themselves here.' },
  signup_refused: { status: 403, title: 'You cannot register here; ask those who run this service.' },
  not_found: { status: 404, title: 'Not found, or not yours.' },
  method_not_allowed: { status: 405, title: 'This address does not answer this method; see Allow.' },
  request_timeout: { status: 408, title: 'The request did not arrive in time.' },
  other_account: { status: 409, title: 'This browser is now logged in to another account. Open the page again.' },
  username_taken: { status: 409, title: 'The user name is taken.' },
  email_taken: { status: 409, title: 'The e-mail address is taken.' },
  client_id_taken: { status: 409, title: 'The client_id is taken, or was at some time.' },
  too_many_secrets: { status: 409, title: 'Two secrets are valid already; end the older one first.' },
  too_many_rows: { status: 409, title: 'This account has as many rows of this kind as one may have; delete some.' },
  too_many_factors: { status: 409, title: 'This account has as many second factors as one may have; remove some.' },
  passkeys_unavailable: {
    status: 409,
    title: 'Passkeys need a PUBLIC_URL with the name of a host, or RP_ID.',
  },
  last_factor: { status: 409, title: 'This account needs a second factor; add another before you remove this one.' },
  no_factor: { status: 409, title: 'This account has no second factor.' },
  last_admin: { status: 409, title: 'This is the last admin, and one must stay.' },
  precondition_failed: { status: 412, title: 'The row has changed since you read it; read it again.' },
  body_too_large: { status: 413, title: 'The body is larger than this service takes.' },
  unsupported_media_type: { status: 415, title: 'Send the body with Content-Type: application/json.' },
  expectation_failed: { status: 417, title: 'The Expect header asks for something other than 100-continue.' },
  rate_limited: { status: 429, title: 'Too many requests from this network; see Retry-After.' },
  too_many_attempts: { status: 429, title: 'Too many failed log-ins; see Retry-After.' },
  headers_too_large: { status: 431, title: 'The headers are larger than this service takes.' },
  internal_error: { status: 500, title: 'Something went wrong here; the request_id finds it in the log.' },
  hashing_overloaded: { status: 503, title: 'Too many log-ins at this moment; try again.', headers: RETRY_SOON },
  overloaded: {
    status: 503,
    title: 'This process has more to do than it can at this moment; try again.',
    headers: RETRY_SOON,
  },
  database_unavailable: { status: 503, title: 'The database cannot do this now; try again.', headers: RETRY_SOON },
  revocations_stale: {
    status: 503,
    title: 'Whether this session was revoked cannot be known now; try again.',
    headers: RETRY_SOON,
  },
  signup_check_unavailable: {
    status: 503,
    title: 'Nobody can register at this moment; try again.',
    headers: RETRY_SOON,
  },
  not_ready: { status: 503, title: 'This process does not take requests now.', headers: RETRY_SOON },
} as const satisfies Record<string, Definition>

export type ProblemCode = keyof typeof PROBLEMS

/** An invalid part of the request: where (`body`, `querystring`, `params`, `headers`), a JSON pointer, and why. */
export interface FieldError {
  in: string
  path: string
  message: string
}

interface Particulars {
  detail?: string
  headers?: Record<string, string>
  errors?: FieldError[]
  /** Extension members of the response, RFC 9457 section 3.2. */
  extension?: Record<string, unknown>
  cause?: unknown
}

/** An error with a public message. The cause is only logged. */
export class Problem extends Error {
  readonly status: number
  readonly headers: Record<string, string>
  readonly detail: string | undefined
  readonly errors: FieldError[] | undefined
  readonly extension: Record<string, unknown> | undefined

  constructor(
    readonly code: ProblemCode,
    { detail, headers, errors, extension, cause }: Particulars = {},
  ) {
    const definition: Definition = PROBLEMS[code]
    super(detail ?? definition.title, { cause })
    this.status = definition.status
    this.headers = { ...definition.headers, ...headers }
    this.detail = detail
    this.errors = errors
    this.extension = extension
  }

  /** The response body of RFC 9457, with the stable `code`, and the id that finds the request in the log. */
  toBody(requestId: string) {
    return {
      type: `urn:latchkey:problem:${this.code}`,
      title: PROBLEMS[this.code].title,
      status: this.status,
      code: this.code,
      ...(this.detail !== undefined && { detail: this.detail }),
      ...(this.errors !== undefined && { errors: this.errors }),
      ...this.extension,
      request_id: requestId,
    }
  }
}
