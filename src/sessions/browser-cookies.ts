import type { Config } from '../config/config.js'
import { bytesOfId, idIn, openSigned, signBytes } from '../tokens/signed-bytes.js'

// The value is "lkb_" and base64url of: session id (16 bytes), HMAC-SHA-256 of it (32). Ids of sessions are no secrets: they
// stand in tokens and lists.
const PREFIX = 'lkb_'
const ID_BYTES = 16

type Issuer = Pick<Config, 'PUBLIC_URL'>

/** The cookie of the pages. The first key makes it; all of them read it. */
export class BrowserCookies {
  readonly #keys: readonly Buffer[]
  readonly #name: string
  readonly #attributes: string

  constructor({ PUBLIC_URL }: Issuer, keys: readonly Buffer[]) {
    const { protocol, port, pathname } = new URL(PUBLIC_URL)
    const isSecure = protocol === 'https:'
    this.#keys = keys
    // No subdomain can set a __Host- cookie. Safari drops Secure ones on http://localhost.
    const prefix = isSecure ? '__Host-latchkey' : 'latchkey'
    // Neither ports nor paths separate such cookies: two installations of one host would log out each other's people.
    const parts = [prefix, port || (isSecure ? '' : '80'), ...pathname.split('/')].filter((part) => part !== '')
    // What a URL may hold and the name of a cookie may not: RFC 6265 section 4.1.1.
    this.#name = parts.join('-').replaceAll(/[^\w.~%-]/g, '_')
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
  }

  /** The Set-Cookie header for a session. Without a lifetime (in milliseconds) the browser forgets it when it is closed. */
  make(sessionId: string, lifetimeMs?: number): string {
    const value = PREFIX + signBytes(bytesOfId(sessionId), this.#keys)
    const age = lifetimeMs === undefined ? '' : `; Max-Age=${Math.floor(lifetimeMs / 1_000)}`
    return `${this.#name}=${value}; ${this.#attributes}${age}`
  }

  /** The Set-Cookie header that makes a browser forget it. */
  clear(): string {
    return `${this.#name}=; ${this.#attributes}; Max-Age=0`
  }

  /** The session that a Cookie header names; undefined where it holds no cookie of ours. */
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
