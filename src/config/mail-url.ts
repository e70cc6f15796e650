/** The destination of mails. */
export type MailTarget =
  | { kind: 'off' }
  | { kind: 'smtp'; host: string; port: number; isSecure: boolean; user?: string; password?: string }
  | { kind: 'hook'; url: string }
  | { kind: 'files'; folder: string }

/** A display name, which may be empty, and an address. */
export interface Mailbox {
  name: string
  address: string
}

/** Ports for submission (RFC 6409), and for submission over implicit TLS (RFC 8314). */
const PORTS = { 'smtp:': 587, 'smtps:': 465 }
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i
/** A plain host is allowed after the @: a machine in the local network has no domain. */
const ADDRESS = /^[^\s@<>()[\]\\,;:"]{1,64}@[\p{L}\p{N}]([\p{L}\p{N}.-]{0,251}[\p{L}\p{N}])?$/u
const WEBHOOK_SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/
/** The bounds of Standard Webhooks. */
const SECRET_BYTES = { least: 24, most: 64 }

/**
 * Parses MAIL_URL. Refuses a query for SMTP, because libraries read options from it (`?tls.rejectUnauthorized=false`).
 * @throws Error whose message completes "MAIL_URL ...", without the value, which may hold a password
 */
export function parseMailUrl(value: string): MailTarget {
  if (value === '' || value === 'off') return { kind: 'off' }
  const folder = /^file:(?:\/\/(?=\/))?(.+)$/.exec(value)?.[1]
  if (folder !== undefined && !folder.startsWith('//')) return { kind: 'files', folder }
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || url.hostname === '') throw new Error(`must be ${FORMS}`)
  if (url.protocol === 'smtp:' || url.protocol === 'smtps:') return smtpTarget(url, PORTS[url.protocol])
  return hookTarget(url)
}

const FORMS =
  'off, smtp://user:password@host:587, smtps://user:password@host:465, https://host/path or file:./data/mail'

function smtpTarget(url: URL, defaultPort: number): MailTarget {
  if (url.search !== '' || url.hash !== '' || !['', '/'].includes(url.pathname)) {
    throw new Error('must end after the port: queries and paths are refused for SMTP')
  }
  return {
    kind: 'smtp',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? defaultPort : Number(url.port),
    isSecure: url.protocol === 'smtps:',
    ...(url.username !== '' && { user: decoded(url.username), password: decoded(url.password) }),
  }
}

function hookTarget(url: URL): MailTarget {
  const isAtHand = url.protocol === 'http:' && isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !isAtHand) throw new Error(`must be ${FORMS}`)
  if (url.username !== '' || url.password !== '') {
    throw new Error('must have no user and password for a hook: its requests are signed with MAIL_WEBHOOK_SECRET')
  }
  if (url.hash !== '') throw new Error('must have no fragment (#)')
  return { kind: 'hook', url: url.href }
}

/**
 * Checks the URL of a webhook that is not about mail. Empty is allowed.
 * @throws Error whose message completes "NAME ..."
 */
export function assertHook(value: string): void {
  if (value === '') return
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPrivate = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname))
  if (url === undefined || !isPrivate || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new Error('must be an https address without user, password and fragment, or http on this machine')
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('must have a user and a password in which % is written as %25')
  }
}

/** Whether a host is this machine, so that nobody can intercept the connection. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host)
}

/** The URL for display, without the password, and without the path of a webhook, which may be a secret. */
export function maskMailUrl(value: string): string {
  return value
    .replace(/^(smtps?:\/\/[^:@/]*):.*@/i, '$1:********@')
    .replace(/^(https?:\/\/[^/?#]+)[/?#].+$/i, '$1/********')
}

/** Parses `Name <address>` or an address alone. @throws Error whose message completes "MAIL_FROM ..." */
export function parseMailbox(value: string): Mailbox {
  const [, name = '', bracketed] = /^(.*?)\s*<([^<>]*)>$/.exec(value) ?? []
  const address = bracketed ?? value
  if (!ADDRESS.test(address) || address.includes('..')) {
    throw new Error('must be an address such as no-reply@example.com, or Example <no-reply@example.com>')
  }
  return { name: name.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1'), address }
}

/** Checks a secret of the mail webhook, for `list`. */
export function assertWebhookSecret(item: string): void {
  const bytes = Buffer.from(WEBHOOK_SECRET.exec(item)?.[1] ?? '', 'base64').length
  if (bytes < SECRET_BYTES.least || bytes > SECRET_BYTES.most) {
    throw new Error(
      'must hold secrets such as whsec_<base64 of 32 random bytes>: echo "whsec_$(openssl rand -base64 32)"',
    )
  }
}

/** Checks the template of links in mails. Empty is allowed. @throws Error whose message completes "MAIL_LINKS ..." */
export function assertMailLinks(value: string): void {
  if (value === '') return
  // Fills the placeholders in before parsing: the URL parser would encode the braces.
  const filled = value.replaceAll('{page}', 'reset').replaceAll('{token}', 'token')
  const isAddress = /^https?:\/\/[^\s\\@]+$/i.test(filled) && URL.canParse(filled) && !/[{}]/.test(filled)
  if (!isAddress || !value.includes('{token}') || !/^https?:\/\/[^{}/?#]+(?=[/?#]|$)/i.test(value)) {
    throw new Error(
      'must be an http or https address with {token} and, if each page has its own address, {page} after the ' +
        'host, for example https://app.example.com/{page}?token={token}',
    )
  }
}
