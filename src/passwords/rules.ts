import type { Config } from '../config/config.js'
import { Problem } from '../problems.js'
import { isLongerThan, PASSWORD_MAX_LENGTH } from '../text-lengths.js'
import type { BreachedPasswords } from './breaches.js'
import { assertPasswordText, isTooLongForPassword } from './text.js'

/** The service name. A password must not be this name or a name of the user. */
const SERVICE_NAME = 'latchkey'
/** A common password with appended digits or symbols is as easily guessed: password1234567. */
const TAIL = /[^\p{L}\p{M}]+$/u
const LETTER = /\p{L}/u
/** Shorter words of the list also begin many good passwords. */
const SHORTEST_STEM = 4

/** The rules for new passwords. They do not apply at log-in. */
export class PasswordRules {
  readonly #minLength: number
  readonly #hasBlocklist: boolean
  readonly #tutorialsTakeWeak: boolean
  readonly #breachUrl: string
  #breached: BreachedPasswords | undefined

  constructor({ PASSWORD_MIN_LENGTH, PASSWORD_BLOCKLIST, PASSWORD_BREACH_URL, COMPAT_WEAK_PASSWORDS }: Config) {
    this.#minLength = PASSWORD_MIN_LENGTH
    this.#hasBlocklist = PASSWORD_BLOCKLIST
    this.#breachUrl = PASSWORD_BREACH_URL
    this.#tutorialsTakeWeak = COMPAT_WEAK_PASSWORDS === 'on'
  }

  /**
   * Checks the length in code points, the list of common passwords, breached passwords, and the names of the user
   * (`ownNames`, normalised). There are no composition rules (NIST SP 800-63B). With COMPAT_WEAK_PASSWORDS, a sign-up
   * at a tutorial endpoint (`isTutorial`) checks only the maximum length.
   * @throws Problem password_rejected with the rule that failed
   */
  async assert(password: string, ownNames: string[], { isTutorial = false } = {}): Promise<void> {
    const tooLong = `A password has at most ${PASSWORD_MAX_LENGTH} characters.`
    if (isTooLongForPassword(password)) throw reject(tooLong)
    assertPasswordText(password)
    const normalised = password.normalize('NFKC')
    if (isTooLongForPassword(normalised)) throw reject(tooLong)
    if (isTutorial && this.#tutorialsTakeWeak && normalised !== '') return
    if (!isLongerThan(this.#minLength - 1, normalised)) {
      throw reject(`A password has at least ${this.#minLength} characters.`)
    }
    if (this.#hasBlocklist) await this.#assertUncommon(normalised, ownNames)
    if (this.#breachUrl !== '') await this.#assertUnbreached(normalised)
  }

  async #assertUncommon(normalised: string, ownNames: string[]): Promise<void> {
    const folded = normalised.toLowerCase().normalize('NFKC')
    const stem = folded.replace(TAIL, '')
    const names = [SERVICE_NAME, ...ownNames.flatMap((name) => [name, name.split('@')[0]])]
    if (names.some((name) => name && folded.startsWith(name) && !LETTER.test(folded.slice(name.length)))) {
      throw reject('A password must not be a name of yours.')
    }
    common ??= loadCommonPasswords()
    const words = await common
    if (words.has(folded) || (stem.length >= SHORTEST_STEM && words.has(stem))) {
      throw reject('This password is among the most common ones, and the first to be guessed.')
    }
  }

  async #assertUnbreached(normalised: string): Promise<void> {
    if (this.#breached === undefined) {
      const { BreachedPasswords } = await import('./breaches.js')
      this.#breached = new BreachedPasswords(this.#breachUrl)
    }
    if (await this.#breached.has(normalised)) {
      throw reject('This password is known from a breach of another service; choose one that you use nowhere else.')
    }
  }
}

/** Imported when the first password is set: loading the list would slow every start. */
let common: Promise<ReadonlySet<string>> | undefined

async function loadCommonPasswords(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common')
  return new Set(dictionary['passwords-common'])
}

function reject(detail: string): Problem {
  return new Problem('password_rejected', { detail })
}
