import type { FastifyRequest } from 'fastify'
import { toProblem } from '../http/problem-answers.js'
import { ERRORS_SHOWN } from '../http/validation-errors.js'
import { type FieldError, Problem } from '../problems.js'

/**
 * The user name and the address in a body. Null and empty strings, which forms send, count as missing.
 * @throws Problem validation_failed with all errors, including those of the schema for other fields
 */
export function identifiersIn({ body, validationError }: FastifyRequest, wanted: 'one' | 'one or both') {
  const { username, email } = (body ?? {}) as { username?: string | null; email?: string | null }
  const invalid = validationError && toProblem(validationError)
  if (invalid && invalid.errors === undefined) throw invalid
  const errors: FieldError[] = []
  const say = (path: string, message: string) => errors.push({ in: 'body', path, message })
  if (!username && !email) say('/username', 'is required, unless email is given')
  else if (wanted === 'one' && username && email) say('/email', 'must not be given beside username')
  else if (wanted === 'one' && typeof email === 'string' && email !== '' && !email.includes('@')) {
    say('/email', 'must be an e-mail address such as name@example.com')
  }
  errors.push(...(invalid?.errors ?? []))
  if (errors.length > 0) throw new Problem('validation_failed', { errors: errors.slice(0, ERRORS_SHOWN) })
  return { username: username || undefined, email: email || undefined }
}
