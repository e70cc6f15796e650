import { PROBLEMS, Problem } from '../problems.js'

const FOR_LATCHKEY = { detail: "Only a token of Latchkey's own client may do this." }

/** A 401 for a token, with the reason in the header too. RFC 6750 section 3 forbids quotation marks in the reason. */
export function refusedToken(detail: string, cause?: unknown): Problem {
  const challenge = `${PROBLEMS.invalid_token.headers['www-authenticate']}, error_description="${detail}"`
  return new Problem('invalid_token', { detail, cause, headers: { 'www-authenticate': challenge } })
}

/** A 403 for a token with too little scope. RFC 6750 section 3: the header names the required scope. */
export function lacking(scope: string | undefined): Problem {
  if (scope === undefined) return new Problem('insufficient_scope', FOR_LATCHKEY)
  const challenge = `${PROBLEMS.insufficient_scope.headers['www-authenticate']}, scope="${scope}"`
  return new Problem('insufficient_scope', {
    detail: `The access token needs the scope ${scope}.`,
    headers: { 'www-authenticate': challenge },
  })
}
