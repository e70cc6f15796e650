import { Problem } from '../problems.js'
import { isLongerThan } from '../text-lengths.js'

/** The longest password, in code points. At 4 bytes each that is 1,024 bytes. */
export const PASSWORD_MAX_LENGTH = 256

/** Whether a text is longer than any password: nothing normalises or hashes it then. */
export function isTooLongForPassword(text: string): boolean {
  return isLongerThan(PASSWORD_MAX_LENGTH, text)
}

/**
 * Refuses text that no hash can keep apart: NUL, lone surrogates (all of them are alike in UTF-8) and U+FFFD, which is
 * what undecodable bytes become. Holds for passwords that are set and for those that are tried.
 * @throws Problem password_rejected
 */
export function assertPasswordText(password: string): void {
  if (/[\0\uFFFD]|\p{Surrogate}/u.test(password)) {
    throw new Problem('password_rejected', { detail: 'A password cannot hold NUL or characters that are not text.' })
  }
}
