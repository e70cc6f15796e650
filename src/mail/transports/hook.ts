import type { Mailbox } from '../../config/mail-url.js'
import { keysOf, post } from '../../webhooks.js'
import { type Mail, MailRefused, messageId, type Transport } from '../transport.js'

/**
 * Responses that reject this mail. Others (401, 404, 429, 5xx) may succeed once the webhook or its settings are fixed.
 */
const REFUSALS = new Set([400, 413, 422])

interface Options {
  from: Mailbox
  /** As in MAIL_WEBHOOK_SECRET: `whsec_` and base64. Each secret signs, so that secrets can be rotated. */
  secrets: readonly string[]
}

/**
 * Sends one signed POST per mail (https://www.standardwebhooks.com), for providers without SMTP and for custom mails.
 */
export class HookTransport implements Transport {
  readonly #url: string
  readonly #from: Mailbox
  readonly #keys: Buffer[]

  constructor(url: string, { from, secrets }: Options) {
    this.#url = url
    this.#from = from
    this.#keys = keysOf(secrets)
  }

  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const now = new Date()
    const body = JSON.stringify(this.#payload(mail, now))
    const status = await post({ url: this.#url, id: mail.id, body, keys: this.#keys, now, signal }).catch((error) => {
      throw new Error(`the hook cannot be reached: ${error.message}`)
    })
    if (status >= 200 && status < 300) return
    const said = `the hook answers ${status}`
    if (REFUSALS.has(status)) throw new MailRefused(said)
    throw new Error(said)
  }

  #payload(mail: Mail, now: Date) {
    const { purpose, locale, to, subject, text, html, link, code } = mail
    return {
      type: `mail.${purpose}`,
      timestamp: now.toISOString(),
      data: {
        message_id: messageId(mail, this.#from),
        locale,
        from: this.#from,
        to,
        subject,
        text,
        html,
        link: link ?? null,
        code: code ?? null,
      },
    }
  }
}
