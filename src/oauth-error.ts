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
 * An error in OAuth 2's shape: the words of RFC 6749 section 5.2, RFC 7009 and RFC 8707, and what these have no word for:
 * RFC 8628's slow_down, and server_error and temporarily_unavailable of RFC 6749 section 4.1.2.1.
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
