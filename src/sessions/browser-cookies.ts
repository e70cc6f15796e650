import type { Config } from '../config/config.js'
import type { DerivedKeys } from '../tokens/secret.js'
import { bytesOfId, idIn, openSigned, signBytes } from '../tokens/signed-bytes.js'

// The value is "lkb_" and the base64url of: session id (16 bytes), HMAC-SHA-256 of the id (32). Session ids are not
// secret: tokens and lists contain them.
const PREFIX = 'lkb_'
const ID_BYTES = 16

type Issuer = Pick<Config, 'PUBLIC_URL'>

/** The session cookie of the pages. Signed with the first key, verified with any key. */
export class BrowserCookies {
  readonly #keys: DerivedKeys
  readonly #name: string
  readonly #attributes: string

  constructor({ PUBLIC_URL }: Issuer, keys: DerivedKeys) {
    const { protocol, port, pathname } = new URL(PUBLIC_URL)
    const isSecure = protocol === 'https:'
    this.#keys = keys
    // A subdomain cannot set a __Host- cookie. Safari drops Secure cookies on http://localhost.
    const prefix = isSecure ? '__Host-latchkey' : 'latchkey'
    // The name includes port and path: browsers do not separate these cookies by port or path, so two installations on
    // one host would overwrite each other.
    const parts = [prefix, port || (isSecure ? '' : '80'), ...pathname.split('/')].filter((part) => part !== '')
    // Replaces characters that are valid in a URL but not in a cookie name: RFC 6265 section 4.1.1.
    this.#name = parts.join('-').replaceAll(/[^\w.~%-]/g, '_')
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
  }

  /**
   * The Set-Cookie header for a session. Without a lifetime (in milliseconds) the browser deletes the cookie on exit.
   */
  make(sessionId: string, lifetimeMs?: number): string {
    const value = PREFIX + signBytes(bytesOfId(sessionId), this.#keys)
    const age = lifetimeMs === undefined ? '' : `; Max-Age=${Math.floor(lifetimeMs / 1_000)}`
    return `${this.#name}=${value}; ${this.#attributes}${age}`
  }

  /** The Set-Cookie header that deletes the cookie. */
  clear(): string {
    return `${this.#name}=; ${this.#attributes}; Max-Age=0`
  }

  /** The id of the session that a Cookie header names; undefined without a valid cookie. */
  read(header: string | undefined): string | undefined {
    if (header === undefined || !header.includes(PREFIX)) return undefined
    const start = `${this.#name}=`
    for (const part of header.split(';').map((part) => part.trim())) {
      const id = part.startsWith(start) ? this.#open(part.slice(start.length)) : undefined
      if (id !== undefined) return id
    }
    return undefined
  }

  #open(value: string): string | undefined {
    if (!value.startsWith(PREFIX)) return undefined
    const id = openSigned(value.slice(PREFIX.length), ID_BYTES, this.#keys)
    return id && idIn(id)
  }
}
