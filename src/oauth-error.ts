export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'mfa_required'
  | 'mfa_enrollment_required'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unsupported_token_type'
  | 'slow_down'
  | 'temporarily_unavailable'
  | 'server_error'

interface Particulars {
  status?: number
  headers?: Record<string, string>
  cause?: unknown
}

/**
 * An error in the format of OAuth 2, with the codes of RFC 6749 section 5.2, RFC 7009 and RFC 8707. For cases without a
 * code there: slow_down of RFC 8628, and server_error and temporarily_unavailable of RFC 6749 section 4.1.2.1.
 */
export class OAuthError extends Error {
  readonly status: number
  readonly headers: Record<string, string>

  constructor(
    readonly error: OAuthErrorCode,
    message: string,
    { status = 400, headers = {}, cause }: Particulars = {},
  ) {
    super(message, { cause })
    this.status = status
    this.headers = headers
  }
}
