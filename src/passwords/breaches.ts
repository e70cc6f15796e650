import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { send } from '../requests.js'
import { breachChecks } from '../telemetry/channels.js'

const TIMEOUT_MS = 1_000
/** The length of the SHA-1 prefix (hexadecimal) that is sent. About a thousand breached passwords share each prefix. */
const PREFIX_LENGTH = 5
const ENTRY = /^([0-9A-F]{35}):(\d+)$/i
/** The largest response that is read. Real ranges have 40 KiB. */
const LONGEST_ANSWER = 2 ** 20

/**
 * Looks up breached passwords by range (k-anonymity, https://haveibeenpwned.com/API/v3#PwnedPasswords). Only the first
 * five characters of the SHA-1 are sent; the rest is compared here. SHA-1 is the format of the API, and protects
 * nothing.
 */
export class BreachedPasswords {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Whether the password is known from a breach. False if the service does not answer within a second. */
  async has(password: string): Promise<boolean> {
    try {
      const isKnown = await this.#ask(password)
      breachChecks.publish({ result: isKnown ? 'breached' : 'clean' })
      return isKnown
    } catch {
      // An outage of the breach service must not block new passwords.
      breachChecks.publish({ result: 'failed' })
      return false
    }
  }

  async #ask(password: string): Promise<boolean> {
    const hash = createHash('sha1').update(password).digest('hex').toUpperCase()
    const response = await send(`${this.#url}/${hash.slice(0, PREFIX_LENGTH)}`, {
      // Padding hides the range from an attacker who sees the length of the response.
      headers: { 'add-padding': 'true', 'user-agent': 'latchkey' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (response.statusCode !== 200) {
      response.destroy()
      throw new Error(`answered ${response.statusCode}`)
    }
    const counts = countsIn(await textOf(response))
    if (counts.size === 0) throw new Error('the answer is not a range')
    return (counts.get(hash.slice(PREFIX_LENGTH)) ?? 0) > 0
  }
}

/** Breach counts by the rest of the hash. A count of 0 is padding. */
function countsIn(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, rest, count] = ENTRY.exec(line.trim()) ?? []
    if (rest !== undefined) counts.set(rest.toUpperCase(), Number(count))
  }
  return counts
}

/** Ends the connection, too, if the answer is too long. */
async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > LONGEST_ANSWER) throw new Error('the answer is too long')
  }
  return text
}
