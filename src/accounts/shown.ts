import { Problem } from '../problems.js'
import { identifierKey } from './names.js'
import type { Shown } from './one-time-tokens.js'

/** The fields of a body or a form: the token of a mailed link, or a code and the address that it was mailed to. */
interface FromMail {
  token?: string | undefined
  email?: string | undefined
  code?: string | undefined
}

/**
 * The token, or the code with its address. Empty fields, which forms send, count as missing.
 * @throws Problem validation_failed
 */
export function shownIn({ token, email, code }: FromMail): Shown {
  if (token && !email && !code) return { token }
  if (!token && email && code) return { target: identifierKey(email), code }
  const message = 'is required, unless email and code are given; not both'
  throw new Problem('validation_failed', { errors: [{ in: 'body', path: '/token', message }] })
}
