import { randomUUID } from 'node:crypto'
import type { Client } from '../audit/requester.js'
import type { Config } from '../config/config.js'
import { Problem } from '../problems.js'
import { keysOf, post } from '../webhooks.js'

/** Short: a user waits for the answer. */
const TIMEOUT_MS = 3_000
const REFUSED = 403

interface SignUp {
  username?: string | undefined
  email?: string | undefined
  locale?: string | undefined
}

/** Asks a service of the operator, such as a list of throw-away addresses, whether a user may register. */
export class SignUpCheck {
  readonly #url: string
  readonly #keys: readonly Buffer[]

  constructor({ SIGNUP_CHECK_URL, MAIL_WEBHOOK_SECRET }: Config) {
    this.#url = SIGNUP_CHECK_URL
    this.#keys = keysOf(MAIL_WEBHOOK_SECRET)
  }

  /**
   * Sends one POST, before anything is written or mailed. Fails closed: if the service cannot be reached, nobody can
   * register. Does nothing without SIGNUP_CHECK_URL.
   * @throws Problem signup_refused, signup_check_unavailable
   */
  async assert({ username, email, locale }: SignUp, { ip, userAgent }: Client): Promise<void> {
    if (this.#url === '') return
    const [now, id] = [new Date(), randomUUID()]
    const data = { username: username ?? null, email: email ?? null, locale: locale ?? null, ip }
    const body = JSON.stringify({
      type: 'signup.check',
      timestamp: now.toISOString(),
      data: { ...data, user_agent: userAgent ?? null },
    })
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const status = await post({ url: this.#url, id, body, keys: this.#keys, now, signal }).catch((cause) => {
      throw new Problem('signup_check_unavailable', { cause })
    })
    if (status === REFUSED) throw new Problem('signup_refused')
    if (status < 200 || status > 299) {
      throw new Problem('signup_check_unavailable', { cause: new Error(`SIGNUP_CHECK_URL answers ${status}`) })
    }
  }
}
