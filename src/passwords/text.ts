import { Problem } from '../problems.js'
import { isLongerThan, PASSWORD_MAX_LENGTH } from '../text-lengths.js'

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
