import { type FieldError, Problem } from './problems.js'

/** A time of the database as RFC 3339 has it, in UTC. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/**
 * A time of RFC 3339 in milliseconds since 1970.
 * @throws Problem validation_failed for those that the format allows and no clock shows: leap seconds, and years that an
 * offset pushes out of four digits.
 */
export function milliseconds(text: string, where: Pick<FieldError, 'in' | 'path'>): number {
  const time = Date.parse(text)
  const year = new Date(time).getUTCFullYear()
  if (year >= 0 && year <= 9999) return time
  const errors = [{ ...where, message: 'must be a time from year 0 to 9999 in UTC' }]
  throw new Problem('validation_failed', { errors })
}
