import { domainToASCII } from 'node:url'
import { Problem } from '../problems.js'
import { IDENTIFIER_MAX_LENGTH, isLongerThan, NAME_MAX_LENGTH } from '../text-lengths.js'

const USERNAME_MIN_LENGTH = 3
const USERNAME_MAX_LENGTH = 32
const EMAIL_MAX_LENGTH = 254
const EMAIL_LOCAL_MAX_LENGTH = 64

/** Names that look official. Users cannot register them; operators can. */
const RESERVED = new Set([
  'admin',
  'administrator',
  'anonymous',
  'hostmaster',
  'latchkey',
  'me',
  'moderator',
  'null',
  'owner',
  'postmaster',
  'root',
  'security',
  'staff',
  'superuser',
  'support',
  'sysadmin',
  'system',
  'undefined',
  'webmaster',
])

// UTS #39, Highly Restrictive: Latin alone, or with Hangul, or with Han and Kana. A Latin letter is a plain letter with
// or without marks: others (dotless i, script a) look like plain ones.
const ALLOWED_SCRIPTS = [
  /^[\p{Script=Hangul}a-z\d._-]+$/u,
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々a-z\d._-]+$/u,
]
const MARKS = /\p{Mn}/gu
const LATIN_WITH_MARKS = /^[a-zßæœøđłþð\d._-]+$/
/** Invisible letters, such as the Hangul filler, would make a second `admin`. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u
const ASCII = /^[\0-\x7f]*$/
const EDGES = /^[._-]|[._-]$/
/**
 * East Asian wide letters count twice: two syllables are a whole name in Korean, but two Latin letters are too short.
 */
const WIDE = /[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々]/u
/** Characters that break a line, move a cursor or change the direction of the text around a display name. */
const UNFIT_FOR_DISPLAY = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u

/**
 * The canonical form of a user name, which must be unique: NFKC and lower case, so that `ａｄｍｉｎ` is `admin`. With
 * `isTutorial`, the tutorials' length limits apply; all other rules are the same.
 * @throws Problem username_rejected, which names the broken rule
 */
export function usernameKey(username: string, { allowReserved = false, isTutorial = false } = {}): string {
  const minimum = isTutorial ? 1 : USERNAME_MIN_LENGTH
  const maximum = isTutorial ? NAME_MAX_LENGTH : USERNAME_MAX_LENGTH
  const reject = (detail: string) => new Problem('username_rejected', { detail })
  const wide = minimum > 1 ? ' A Hangul, Han or Kana character counts as two towards the minimum.' : ''
  const wrongLength = `A user name has ${minimum} to ${maximum} characters.${wide}`
  if (isLongerThan(IDENTIFIER_MAX_LENGTH, username)) throw reject(wrongLength)
  const key = normalizeName(username)
  if (isLongerThan(maximum, key) || width(key) < minimum) throw reject(wrongLength)
  const isLatin = LATIN_WITH_MARKS.test(key.normalize('NFD').replace(MARKS, '')) && !/\p{Mn}/u.test(key)
  if ((!isLatin && !ALLOWED_SCRIPTS.some((script) => script.test(key))) || INVISIBLE.test(key)) {
    throw reject('A user name has letters of one script (Latin, Hangul, or Han with Kana), digits, and . _ -')
  }
  if (EDGES.test(key)) throw reject('A user name begins and ends with a letter or a digit.')
  if (!allowReserved && RESERVED.has(key)) throw reject('This user name is reserved.')
  return key
}

/**
 * The canonical form of an e-mail address, which must be unique. Normalised before it is validated, because normalising
 * can produce an @ or a line break.
 * @throws Problem email_rejected
 */
export function emailKey(email: string): string {
  const rejection = new Problem('email_rejected', { detail: 'This is not an e-mail address such as name@example.com.' })
  if (isLongerThan(IDENTIFIER_MAX_LENGTH, email)) throw rejection
  const key = identifierKey(email)
  const [local = '', domain = '', ...rest] = key.split('@')
  const isAddress =
    email.isWellFormed() &&
    email.split('@').length === 2 &&
    rest.length === 0 &&
    !INVISIBLE.test(normalizeName(email)) &&
    isDomain(domain) &&
    /^[^\s\p{C}"(),:;<>[\\\]@]+$/u.test(local) &&
    /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+\p{L}[\p{L}\p{N}-]{0,61}[\p{L}\p{N}]$/u.test(domain) &&
    !/^\.|\.$|\.\./.test(local)
  if (!isAddress || Buffer.byteLength(key) > EMAIL_MAX_LENGTH || Buffer.byteLength(local) > EMAIL_LOCAL_MAX_LENGTH) {
    throw rejection
  }
  return key
}

/**
 * Maps all spellings of a name to one: NFKC and lower case. Does not check the rules for names.
 * @throws Problem validation_failed for text that is longer than any name: the time of normalising grows with the
 * square of the length
 */
export function normalizeName(text: string): string {
  if (isLongerThan(IDENTIFIER_MAX_LENGTH, text)) {
    const message = `a name or an address has at most ${IDENTIFIER_MAX_LENGTH} characters`
    throw new Problem('validation_failed', { detail: message, errors: [{ in: 'body', path: '', message }] })
  }
  // A statement refuses NUL and unpaired surrogates. No name holds \x01 or U+FFFD either, so the lookup finds nothing.
  return text.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll('\0', '\x01').toWellFormed()
}

/**
 * The key by which a user name or an e-mail address is looked up: normalised, with the domain in ASCII as in DNS
 * (IDNA). kim@한국.한국 and kim@xn--3e0b707e.xn--3e0b707e are one mailbox.
 */
export function identifierKey(identifier: string): string {
  const folded = normalizeName(identifier)
  const domain = folded.slice(folded.lastIndexOf('@') + 1)
  if (domain === folded || ASCII.test(domain)) return folded
  return folded.slice(0, -domain.length) + (domainToASCII(domain) || domain)
}

/** Labels that begin with xn-- must be valid Punycode. */
function isDomain(domain: string): boolean {
  return !domain.includes('xn--') || domainToASCII(domain) === domain
}

/** All names of a user, normalised for comparison. */
export function namesOf({
  username,
  email,
  name,
}: { [Key in 'username' | 'email' | 'name']?: string | null | undefined }) {
  return [username, email, name].flatMap((text) => (text ? [normalizeName(text)] : []))
}

/**
 * A display name, with its normalised form for searches.
 * @throws Problem name_rejected
 */
export function withNameKey<Name extends string | null | undefined>(name: Name) {
  if (name && !isDisplayable(name)) {
    throw new Problem('name_rejected', { detail: 'A name has no line breaks, control or text-direction characters.' })
  }
  return { name, nameKey: name && normalizeName(name) }
}

/** Whether a display name fits in a line of text without changing the text around it. */
export function isDisplayable(name: string): boolean {
  return !UNFIT_FOR_DISPLAY.test(name)
}

/** The number of columns of a text, as `wcwidth` counts letters. */
function width(text: string): number {
  return [...text].reduce((columns, letter) => columns + (WIDE.test(letter) ? 2 : 1), 0)
}
