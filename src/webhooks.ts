import { createHmac } from 'node:crypto'

interface Post {
  url: string
  /** What the receiver tells duplicates by. */
  id: string
  /** JSON. */
  body: string
  /** Each of them signs; none where nothing is signed. */
  keys: readonly Buffer[]
  now: Date
  signal: AbortSignal
}

/** The keys of secrets as the settings have them: `whsec_` and base64. */
export function keysOf(secrets: readonly string[]): Buffer[] {
  return secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64'))
}

/**
 * One signed POST (https://www.standardwebhooks.com). Returns the status of its answer; what else it says is not read.
 * @throws Error that names why there was no answer, without the address
 */
export async function post({ url, id, body, keys, now, signal }: Post): Promise<number> {
  const timestamp = String(Math.floor(now.getTime() / 1_000))
  const signatures = keys.map((key) => `v1,${sign(key, `${id}.${timestamp}.${body}`)}`)
  const response = await fetch(url, {
    method: 'POST',
    // A redirect would hand the content to an address that nobody configured.
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'latchkey',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
    },
    body,
    signal,
  }).catch((error: Error) => {
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException
    throw new Error(code ?? message)
  })
  // The answer has nothing to say, and might never end.
  await response.body?.cancel()
  return response.status
}

function sign(key: Buffer, content: string): string {
  return createHmac('sha256', key).update(content).digest('base64')
}
