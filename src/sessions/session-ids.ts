import { randomUUID } from 'node:crypto'

/**
 * Makes a UUID version 7 (RFC 9562 section 5.7): a timestamp, then 74 random bits. Ids in time order keep index inserts
 * on the last page, not on random pages. Ids are not secret.
 */
export function newSessionId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
