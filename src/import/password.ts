import { formatOf } from '../password-hashes.js'
import { assertPasswordText, isTooLongForPassword } from '../password-text.js'
import { isAbsent } from './values.js'

/**
 * What may be taken for a password itself: nothing, what is no hash and does not look like one, or also what only looks
 * like a hash.
 */
export type Plaintext = 'none' | 'obvious' | 'all'

export type Password =
  | { kind: 'hash'; hash: string; format: string; isTooDear: boolean }
  | { kind: 'plaintext'; plaintext: string }
  | { kind: 'none'; reason: 'empty' | 'unusable' | 'looks like a hash' | 'unknown' }

/** Marks of Django, crypt(3), shadow files and people for "nobody logs in with a password here". */
const MARKERS =
  /^([!*].{0,1}|x|-+|\.+|!{2,}|\*{2,}|\?+|•+|x{3,}|[*!]?(lk|lck|lock|locked|np|nologin)[*!]?|no[ _-]?(password|login|passwd)|n\/a|disabled|unusable|invalid|blocked|deleted|removed|redacted|\[redacted\]|<redacted>|oauth|sso|ldap|external)$/i
/** Django's set_unusable_password (`!` and random letters), and a hash that usermod -L has locked. */
const MARKED = /^([!*][A-Za-z0-9]{20,}|[!*]+[$_].*)$/
/** crypt(3) and Django: whatever begins so is no hash. */
const UNUSABLE = /^[!*]/

const HEX_LENGTHS = new Set([16, 32, 40, 48, 56, 64, 96, 128])
const LOOKS_LIKE_A_HASH = [
  /^\$[\w.,=+-]+\$./,
  /\$(2[abxy]?|argon2\w*|s?crypt|pbkdf2[\w-]*|bcrypt[\w-]*|[156y]|apr1|P|H)\$/,
  /^\{[\w.-]+\}./,
  /^\\\\?x[0-9a-f]{8,}$/i,
  /^b(['"]).*\1$/,
  // sha1$salt$digest, pbkdf2:sha256:600000$salt$digest, SCRAM-SHA-256$4096:...
  /^[a-z][\w.:+-]*\$[^$\s]*\$\S/i,
  /^[a-z][\w.+-]*\$\d+:\S+$/i,
  // A digest with its salt beside it.
  /^[0-9a-f]{32,}[.:|]\S+$/i,
  /^\S+[.:|$][0-9a-f]{32,}$/i,
  /^(md5|sha1|sha224|sha256|sha384|sha512|\*)[:]?[0-9a-f]{32,}$/i,
  /^(grub\.)?pbkdf2[.:$]/i,
  // Digests in base64: of 16, 20, 28, 32 or 64 bytes with their padding, or anything as long as those of 30 bytes.
  /^[\w+/-]{22}==$|^[\w+/-]{27}=$|^[\w+/-]{38}==$|^[\w+/-]{43}=$|^[\w+/-]{86}==$/,
  /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/.-]{40,}={0,2}$/,
]

/** Reads what is stored as somebody's password. Only a known hash, or what `plaintext` allows, lets anybody in. */
export function readPassword(stored: string | null, plaintext: Plaintext): Password {
  const text = stored?.trim() ?? ''
  if (stored === null || isAbsent(text)) return { kind: 'none', reason: 'empty' }
  for (const hash of spellings(text)) {
    const known = formatOf(hash)
    if (known !== undefined) return { kind: 'hash', hash, ...known }
  }
  if (MARKERS.test(text) || MARKED.test(text)) return { kind: 'none', reason: 'unusable' }
  const isHashlike = looksLikeHash(text)
  const isTaken = plaintext === 'all' || (plaintext === 'obvious' && !isHashlike)
  if (isTaken && isPasswordText(stored)) return { kind: 'plaintext', plaintext: stored }
  if (plaintext === 'none' && UNUSABLE.test(text)) return { kind: 'none', reason: 'unusable' }
  return { kind: 'none', reason: isHashlike ? 'looks like a hash' : 'unknown' }
}

/** The text, and what exports wrap a hash in: quotes, Python's b'...', and PostgreSQL's hexadecimal bytea. */
function spellings(text: string): string[] {
  const [, , unquoted] = /^b?(['"])(.*)\1$/s.exec(text) ?? []
  const [, hex] = /^\\{1,2}x((?:[0-9a-f]{2})+)$/i.exec(text) ?? []
  const bytes = hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('latin1')
  return [text, unquoted, bytes].flatMap((spelling) => spelling?.trim() ?? [])
}

function looksLikeHash(text: string): boolean {
  const hex = /^(?:0x)?([0-9a-f]+)$/i.exec(text)?.[1]
  if (hex !== undefined && HEX_LENGTHS.has(hex.length) && !/^\d{16}$/.test(hex)) return true
  return LOOKS_LIKE_A_HASH.some((form) => form.test(text))
}

function isPasswordText(text: string): boolean {
  if (isTooLongForPassword(text)) return false
  try {
    assertPasswordText(text)
    return true
  } catch {
    return false
  }
}
