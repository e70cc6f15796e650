import { formatOf } from '../passwords/hashes.js'
import { assertPasswordText, isTooLongForPassword } from '../passwords/text.js'
import { isAbsent } from './values.js'

/**
 * Which stored values count as plaintext passwords: none, those that do not look like a hash, or all that are not a
 * known hash.
 */
export type Plaintext = 'none' | 'obvious' | 'all'

/**
 * A known hash. `isTooExpensive`: verifying it would take too long at a log-in. `bcryptCost`: for formats based on bcrypt.
 */
export interface StoredHash {
  kind: 'hash'
  hash: string
  format: string
  isTooExpensive: boolean
  bcryptCost?: number
}

export type Password =
  | StoredHash
  | { kind: 'plaintext'; plaintext: string }
  | { kind: 'none'; reason: 'empty' | 'unusable' | 'looks like a hash' | 'unknown' | 'unstorable' }

/** Values that mark an account without a password, in Django, crypt(3), shadow files, Moodle and hand-made tables. */
const MARKERS =
  /^([!*].{0,1}|x|-+|\.+|!{2,}|\*{2,}|\?+|•+|x{3,}|[*!]?(lk|lck|lock|locked|np|nologin)[*!]?|no[ _-]?(password|login|passwd)|n\/a|disabled|unusable|invalid|blocked|deleted|removed|redacted|\[redacted\]|<redacted>|oauth|sso|ldap|external)$/i
const MORE_MARKERS = [
  /^(0|1|t|f|true|false|0x|unset|none|empty|nopass|unknown|\[object object\])$/i,
  /^[<([{]?(not|no|to[ _-]?be)?[ _-]?(password|passwd|pw)?[ _-]?(not)?[ _-]?(cached|set|yet|available|generated|restored|filtered|protected|hidden|masked|encrypted|used|needed|required|changed|removed|null|none|empty)[>)\]}]?$/i,
  // Accounts of an external provider may store its name instead of a hash.
  /^(is_)?(social|oauth2?|openid|oidc|saml|sso|cas|ldap|ad|kerberos|shibboleth|google|facebook|twitter|apple|github|gitlab|microsoft|azure(ad)?|linkedin|kakao|naver|line|wechat|firebase|auth0|okta|cognito|keycloak|supabase)([ _-]?(oauth2?|login|auth|user|account|sso|only|provider|password))*$/i,
  /^([^\p{L}\p{N}])\1*$/u,
  /^[^\p{L}\p{N}]{1,4}$/u,
]
/** Django's set_unusable_password (`!` and random letters), and a hash locked by usermod -L. */
const MARKED = /^([!*][A-Za-z0-9]{20,}|[!*]+[$_].*)$/
/** In crypt(3) and Django, a value with this prefix is not a hash. */
const UNUSABLE = /^[!*]/

/**
 * Sixteen hexadecimal digits are MySQL's hash before 4.1. Fewer may be a password, and no digest has a length between
 * 16 and 32.
 */
const SHORT_HEX_LENGTH = 16
const LONG_HEX_LENGTH = 32
/** Bytes with separators, as .NET's BitConverter writes them. */
const SPACED_HEX = /^[0-9a-f]{2}(?:([-: ])[0-9a-f]{2})(?:\1[0-9a-f]{2}){14,}$/i
/** Separators between the parts of a stored hash: algorithm, rounds, salt and digest. */
const BETWEEN_PARTS = /[.:|$;,*&#\s]+/
const LOOKS_LIKE_A_HASH = [
  // DES of crypt(3), whose last character encodes only four bits, and its extended form.
  /^(?=.*[a-z])(?=.*[A-Z])[./0-9A-Za-z]{12}[.26AEIMQUYcgkosw]$/,
  /^_[./0-9A-Za-z]{19}$/,
  /^\$[\w.,=+-]+\$./,
  /\$(2[abxy]?|argon2\w*|s?crypt|pbkdf2[\w-]*|bcrypt[\w-]*|[156y]|apr1|P|H)\$/,
  /^\{[\w.-]+\}./,
  /^\\\\?x[0-9a-f]{8,}$/i,
  /^b(['"]).*\1$/,
  // sha1$salt$digest, pbkdf2:sha256:600000$salt$digest, SCRAM-SHA-256$4096:...
  /^[a-z][\w.:+-]*\$[^$\s]*\$\S/i,
  /^[a-z][\w.+-]*\$\d+:\S+$/i,
  // A digest next to its salt.
  /^[0-9a-f]{32,}[.:|]\S+$/i,
  /^\S+[.:|$][0-9a-f]{32,}$/i,
  /^(md5|sha1|sha224|sha256|sha384|sha512|\*)[:]?[0-9a-f]{32,}$/i,
  // The name of an algorithm, followed by data.
  /^(grub\.)?(h?mac|md[45]|sha|ssha|smd5|ntlm|lm|pbkdf2?|s?crypt|bcrypt|argon2)[\w-]*[:$|;,.(*=#][^\s]{8,}$/i,
  // A hash and its salt as JSON, and ciphertexts of OpenSSL, Laravel and Fernet.
  /^\s*[{[]\s*"/,
  /^(U2FsdGVkX1|eyJ[\w-]{10}|gAAAA)/,
  // Digests in base64: with padding of 16, 20, 28, 32 or 64 bytes, or anything at least as long as 30 bytes.
  /^[\w+/-]{22}==$|^[\w+/-]{27}=$|^[\w+/-]{38}==$|^[\w+/-]{43}=$|^[\w+/-]{86}==$/,
  /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/.-]{40,}={0,2}$/,
  // Digests of 16, 20 and 24 bytes without padding. Their digits are spread out, whereas a passphrase has them at its
  // end.
  /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d\D+\d)(?:[\w+/-]{22}|[\w+/-]{27}|[\w+/-]{32})$/,
]

/** Reads the stored password of a user. Only a known hash, or a plaintext that `plaintext` allows, permits a log-in. */
export function readPassword(stored: string | null, plaintext: Plaintext): Password {
  const text = stored?.trim() ?? ''
  if (stored === null || isAbsent(text)) return { kind: 'none', reason: 'empty' }
  for (const hash of spellings(text)) {
    const known = formatOf(hash)
    if (known !== undefined) return { kind: 'hash', hash, ...known }
  }
  if ([MARKERS, MARKED, ...MORE_MARKERS].some((form) => form.test(text))) return { kind: 'none', reason: 'unusable' }
  const isHashlike = looksLikeHash(text)
  const isTaken = plaintext === 'all' || (plaintext === 'obvious' && !isHashlike)
  if (isTaken) {
    return isPasswordText(stored) ? { kind: 'plaintext', plaintext: stored } : { kind: 'none', reason: 'unstorable' }
  }
  if (plaintext === 'none' && UNUSABLE.test(text)) return { kind: 'none', reason: 'unusable' }
  return { kind: 'none', reason: isHashlike ? 'looks like a hash' : 'unknown' }
}

/**
 * The text, and the hash within a wrapper: quotes, Python's b'...', PostgreSQL's hexadecimal bytea, or the algorithm
 * prefix of Spring Security and LDAP. Other ways to store a hash are recognised by their format.
 */
function spellings(text: string): string[] {
  const [, , named] =
    /^\{(bcrypt|argon2(?:id|i)?|argon2@springsecurity_v5_8|crypt|blf-crypt|sha(?:256|512)-crypt)\}(.*)$/i.exec(text) ??
    []
  const [, , unquoted] = /^b?(['"])(.*)\1$/s.exec(text) ?? []
  const [, hex] = /^\\{1,2}x((?:[0-9a-f]{2})+)$/i.exec(text) ?? []
  const bytes = hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('latin1')
  return [text, unquoted, bytes, named].flatMap((spelling) => spelling?.trim() ?? [])
}

function looksLikeHash(text: string): boolean {
  return isDigest(text) || text.split(BETWEEN_PARTS).some((part) => part.length > SHORT_HEX_LENGTH && isDigest(part))
}

function isDigest(text: string): boolean {
  const hex = /^(?:0x)?([0-9a-f]+)$/i.exec(text)?.[1] ?? ''
  if (hex.length >= LONG_HEX_LENGTH || (hex.length === SHORT_HEX_LENGTH && !/^\d+$/.test(hex))) return true
  return SPACED_HEX.test(text) || LOOKS_LIKE_A_HASH.some((form) => form.test(text))
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
