// Rules for secrets. A check throws an Error whose message completes the sentence "NAME ...".

// Secrets that are printed in the tutorials that this service replaces, and so are public.
const PUBLISHED_SECRETS = new Set([
  '437374e9d2dc467abe0d0ab9b985c742',
  'super-secret-key',
  '4ab2fce7a6bd79e1c014396315ed322dd6edb1c5d975c6b74a2904135172c03c',
  '1184cf8c81a173ab236d500cd2a98cf37cf2ad32d33052a523107d892dfad6a3',
  '344a451d26d1968c0cd4ca12613e5f61b0f71dafced442c730edba55bb9035bc',
])
const PLACEHOLDER = /change.?me|placeholder|your.?(own.?)?(secret|key)|secret.?key|replace.?(me|this)|example|insecure/i
const HEX = /^([0-9a-f]{2})+$/i
const SECRET_BYTES = 32
const SECRET_VARIETY = 10
const LONG_ENOUGH = `must be at least ${SECRET_BYTES} bytes: 64 hex digits or 44 base64 characters`

/** An entry of LEGACY_TOKENS: the secret, the time at which it expires, and the name of the import. */
const LEGACY_SECRET =
  /^(?<secret>.+)@(?<until>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?)(?:@(?<source>[a-z0-9_-]{1,32}))?$/
const DEFAULT_SOURCE = 'import'

/** A secret of another system, whose tokens are accepted until it expires. */
export interface LegacySecret {
  secret: string
  /** In milliseconds since 1970. */
  until: number
  /** The name of the import that brought the users of these tokens. */
  source: string
}

/** @throws Error if the secret is short, public or easily guessed */
export function assertSecretKey(secret: string): void {
  const flaw = flawOf(secret)
  if (flaw !== undefined) throw new Error(`${flaw}; make one with: openssl rand -base64 32`)
}

export function assertLegacySecret(item: string): void {
  const flaw = flawOf(parseLegacySecret(item).secret)
  if (flaw !== undefined) throw new Error(`contains a secret that ${flaw}: anyone may have signed tokens with it`)
}

/**
 * Parses `secret@2027-01-31`, which is accepted until that day begins in UTC, or `secret@2027-01-31@name-of-import`.
 */
export function parseLegacySecret(item: string): LegacySecret {
  const { secret, until, source = DEFAULT_SOURCE } = LEGACY_SECRET.exec(item)?.groups ?? {}
  const time = Date.parse(until ?? '')
  if (secret === undefined || Number.isNaN(time)) {
    throw new Error('must give each secret the day on which it stops being accepted: <secret>@2027-01-31')
  }
  return { secret, until: time, source }
}

/** Whether two secrets are the same bytes, in any encoding. */
export function isSameSecret(one: string, other: string): boolean {
  const others = bytesOf(other)
  return bytesOf(one).some((bytes) => others.some((candidate) => candidate.equals(bytes)))
}

function bytesOf(secret: string): Buffer[] {
  const decoded = [Buffer.from(secret, 'base64'), ...(HEX.test(secret) ? [Buffer.from(secret, 'hex')] : [])]
  return [Buffer.from(secret), ...decoded.filter(({ length }) => length > 0)]
}

/** What is wrong with a secret; undefined if it can be used. */
function flawOf(secret: string): string | undefined {
  const bytes = HEX.test(secret) ? secret.length / 2 : Buffer.byteLength(secret)
  // HMAC pads keys with NUL, so appending NUL to a key does not change it.
  const plain = secret.replace(/\p{Cc}/gu, '')
  if (secret === '') return 'is empty'
  if (PUBLISHED_SECRETS.has(plain.trim().toLowerCase())) return 'is printed in a public tutorial'
  if (plain !== secret) return 'has control characters'
  if (bytes < SECRET_BYTES) return LONG_ENOUGH
  if (PLACEHOLDER.test(secret) || new Set(secret).size < SECRET_VARIETY) return 'looks like a placeholder'
  return undefined
}
