import type { Config } from '../config/config.js'
import { Problem } from '../problems.js'
import { isLongerThan, PASSWORD_MAX_LENGTH } from '../text-lengths.js'
import type { BreachedPasswords } from './breaches.js'
import { assertPasswordText, isTooLongForPassword } from './text.js'

/** Names a password must not be: the service's, and those of the person who sets it. */
const SERVICE_NAME = 'latchkey'
/** A common password followed by digits or signs is as easily guessed: password1234567. */
const TAIL = /[^\p{L}\p{M}]+$/u
const LETTER = /\p{L}/u
/** Shorter words of the list are also the beginning of many good passwords. */
const SHORTEST_STEM = 4

/** The rules for passwords that are set; they never bind at log-in. */
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
   * Length in code points, the list of common passwords, those known from breaches, and the person's own names, in the form that names are compared in.
   * No composition rules (NIST SP 800-63B).
   * A sign-up at a tutorial's address (`isTutorial`) may be let off all but the greatest length: COMPAT_WEAK_PASSWORDS.
   * @throws Problem password_rejected that says which rule it breaks
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

/** Imported at the first password that is set: the list would slow every start. */
let common: Promise<ReadonlySet<string>> | undefined

async function loadCommonPasswords(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common')
  return new Set(dictionary['passwords-common'])
}

function reject(detail: string): Problem {
  return new Problem('password_rejected', { detail })
}
