import { createHash } from 'node:crypto'
import { breachChecks } from '../telemetry/channels.js'

const TIMEOUT_MS = 1_000
/** Of SHA-1 in hexadecimal: what is said of a password, which is one of a thousand known ones with the same beginning. */
const PREFIX_LENGTH = 5
const ENTRY = /^([0-9A-F]{35}):(\d+)$/i
/** Known ranges have 40 KiB. */
const LONGEST_ANSWER = 2 ** 20

/**
 * Asks a service of breached passwords by range (k-anonymity, as https://haveibeenpwned.com/API/v3#PwnedPasswords has it): the
 * first five characters of the password's SHA-1 leave this service, and the rest is compared here. SHA-1 protects nothing here.
 */
export class BreachedPasswords {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** Whether the password is known from a breach; false also where nobody can say so within a second. */
  async has(password: string): Promise<boolean> {
    try {
      const isKnown = await this.#ask(password)
      breachChecks.publish({ result: isKnown ? 'breached' : 'clean' })
      return isKnown
    } catch {
      // A service that is away keeps nobody from a new password.
      breachChecks.publish({ result: 'failed' })
      return false
    }
  }

  async #ask(password: string): Promise<boolean> {
    const hash = createHash('sha1').update(password).digest('hex').toUpperCase()
    const response = await fetch(`${this.#url}/${hash.slice(0, PREFIX_LENGTH)}`, {
      redirect: 'error',
      // Answers of equal length: whoever sees the traffic does not learn the range by it.
      headers: { 'add-padding': 'true', 'user-agent': 'latchkey' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`answered ${response.status}`)
    }
    const counts = countsIn(await textOf(response))
    if (counts.size === 0) throw new Error('answered no range')
    return (counts.get(hash.slice(PREFIX_LENGTH)) ?? 0) > 0
  }
}

/** How often each password of a range was seen, by the rest of its hash; 0 is padding. */
function countsIn(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, rest, count] = ENTRY.exec(line.trim()) ?? []
    if (rest !== undefined) counts.set(rest.toUpperCase(), Number(count))
  }
  return counts
}

async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > LONGEST_ANSWER) throw new Error('answered without end')
  }
  return text
}
