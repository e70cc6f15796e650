import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Config } from '../config/config.js'
import { matcherOf } from '../networks.js'

const REQUEST_ID = /^[\w.-]{8,64}$/

/**
 * Makes request ids that are unique across processes. A given `x-request-id` is kept only if it comes from a proxy of
 * TRUST_PROXY: ids appear in the audit log, and an attacker must not be able to reuse the id of another request.
 */
export function makeRequestIds({ TRUST_PROXY }: Config): (request: IncomingMessage) => string {
  const isProxy = matcherOf(TRUST_PROXY)
  const prefix = randomBytes(6).toString('base64url')
  let count = 0
  return ({ headers, socket }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && REQUEST_ID.test(given) && isProxy(socket.remoteAddress)) return given
    count += 1
    return `${prefix}-${count.toString(36)}`
  }
}
