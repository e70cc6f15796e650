import { Problem } from '../problems.js'
import { isLongerThan, PASSWORD_MAX_LENGTH } from '../text-lengths.js'

/** Whether a text exceeds the longest password. Such a text is neither normalised nor hashed. */
export function isTooLongForPassword(text: string): boolean {
  return isLongerThan(PASSWORD_MAX_LENGTH, text)
}

/**
 * Refuses characters that hashing cannot distinguish: NUL, lone surrogates (all encode to the same UTF-8 bytes) and
 * U+FFFD (the replacement for undecodable bytes). Applies to new passwords and to log-ins.
 * @throws Problem password_rejected
 */
export function assertPasswordText(password: string): void {
  if (/[\0\uFFFD]|\p{Surrogate}/u.test(password)) {
    throw new Problem('password_rejected', { detail: 'A password cannot hold NUL or characters that are not text.' })
  }
}
