import { createHmac } from 'node:crypto'
import { send } from './requests.js'

interface Post {
  url: string
  /** Identifies duplicates for the receiver. */
  id: string
  /** JSON. */
  body: string
  /** Each key adds a signature; empty for unsigned requests. */
  keys: readonly Buffer[]
  now: Date
  signal: AbortSignal
}

/** The keys of secrets as in the settings: `whsec_` and base64. */
export function keysOf(secrets: readonly string[]): Buffer[] {
  return secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64'))
}

/**
 * Sends one signed POST (https://www.standardwebhooks.com). Returns the status of the response, whose body is not read. A
 * redirect is not followed: it would send the content to a URL that nobody configured.
 * @throws Error that says why there was no response, without the URL
 */
export async function post({ url, id, body, keys, now, signal }: Post): Promise<number> {
  const timestamp = String(Math.floor(now.getTime() / 1_000))
  const signatures = keys.map((key) => `v1,${sign(key, `${id}.${timestamp}.${body}`)}`)
  const response = await send(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'latchkey',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
    },
    body,
    signal,
  })
  // The body is not needed, and might never end.
  response.destroy()
  return response.statusCode ?? 0
}

function sign(key: Buffer, content: string): string {
  return createHmac('sha256', key).update(content).digest('base64')
}
