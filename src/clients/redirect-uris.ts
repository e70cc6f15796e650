const LONGEST = 512
/**
 * Visible ASCII without characters that browsers and servers parse differently: quotation marks, angle brackets,
 * backslashes.
 */
const CHARACTERS = /^[!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]+$/
/** Hosts on the user's own device. Browsers resolve `localhost` to nothing else (RFC 6761, 6.3). */
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?(?=[/?]|$)/
/** A private-use scheme: a domain in reverse order, as in RFC 8252 section 7.1. */
const PRIVATE_USE = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:\/(?!\/)/

/**
 * Why a redirect URI cannot be registered; undefined if it can. Allowed are `https`; `http` on localhost, 127.0.0.1
 * and [::1] with any port; and, for public clients, which run on a user's device, private-use schemes with a dot.
 */
export function flawOfRedirectUri(uri: string, isPublic: boolean): string | undefined {
  if (uri.length > LONGEST) return `must have at most ${LONGEST} characters`
  if (!CHARACTERS.test(uri)) return 'must be ASCII, without blanks, quotation marks, angle brackets and backslashes'
  if (uri.includes('#')) return 'must have no fragment'
  if (!URL.canParse(uri)) return 'must be an absolute address'
  const { protocol, username, password } = new URL(uri)
  if (username !== '' || password !== '') return 'must not contain a user name or a password'
  if (protocol === 'https:') return /^https:\/\/[^/]/.test(uri) ? undefined : 'must begin with https://'
  if (protocol === 'http:') {
    return LOOPBACK.test(uri) ? undefined : 'must be https; http is only for localhost, 127.0.0.1 and [::1]'
  }
  if (!PRIVATE_USE.test(uri)) return 'must be https, or a scheme with a dot such as com.example.app:/callback'
  return isPublic
    ? undefined
    : 'can have a scheme of its own only for a public client (token_endpoint_auth_method none)'
}

/** Whether a redirect URI matches a registered one: exactly, except for the port of a loopback address. */
export function isRegisteredUri(uri: string, registered: readonly string[]): boolean {
  if (registered.includes(uri)) return true
  const port = LOOPBACK.exec(uri)?.[2]
  if (port !== undefined && Number(port) > 65_535) return false
  const portless = withoutPort(uri)
  return portless !== undefined && registered.some((other) => withoutPort(other) === portless)
}

/** A loopback address without its port; undefined for every other address. */
function withoutPort(uri: string): string | undefined {
  return LOOPBACK.test(uri) ? uri.replace(LOOPBACK, 'http://$1') : undefined
}
