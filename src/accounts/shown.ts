import { Problem } from '../problems.js'
import { identifierKey } from './names.js'
import type { Shown } from './one-time-tokens.js'

/** What a body or a form may hold of a mail: the token of its link, or its code and the address that it was sent to. */
export interface FromMail {
  token?: string | undefined
  email?: string | undefined
  code?: string | undefined
}

/** The one of the two that was sent. Empty fields, which forms send, count as none. @throws Problem validation_failed */
export function shownIn({ token, email, code }: FromMail): Shown {
  if (token && !email && !code) return { token }
  if (!token && email && code) return { target: identifierKey(email), code }
  const message = 'is required, unless email and code are given; not both'
  throw new Problem('validation_failed', { errors: [{ in: 'body', path: '/token', message }] })
}
