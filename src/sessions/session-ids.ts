import { randomUUID } from 'node:crypto'

/**
 * A new id: a UUID of version 7 (RFC 9562 section 5.7), with the time in front of 74 random bits. A new session is then written beside the
 * last ones, and not to a page of its own somewhere in an index. Ids are no secrets.
 */
export function newSessionId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
