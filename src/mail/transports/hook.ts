import { createHmac } from 'node:crypto'
import type { Mailbox } from '../../config/mail-url.js'
import { type Mail, MailRefused, messageId, type Transport } from '../transport.js'

/** Answers that are about this mail. Others (401, 404, 429, 5xx) pass once the hook or its settings are mended. */
const REFUSALS = new Set([400, 413, 422])

interface Options {
  from: Mailbox
  /** As MAIL_WEBHOOK_SECRET has them: `whsec_` and base64. Each of them signs, so that one can be replaced. */
  secrets: readonly string[]
}

/** One signed POST a mail (https://www.standardwebhooks.com), for providers without SMTP and for texts of one's own. */
export class HookTransport implements Transport {
  readonly #url: string
  readonly #from: Mailbox
  readonly #keys: Buffer[]

  constructor(url: string, { from, secrets }: Options) {
    this.#url = url
    this.#from = from
    this.#keys = secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64'))
  }

  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const now = new Date()
    const timestamp = String(Math.floor(now.getTime() / 1_000))
    const body = JSON.stringify(this.#payload(mail, now))
    const response = await fetch(this.#url, {
      method: 'POST',
      // A redirect would hand the mail to an address that nobody configured.
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'latchkey',
        'webhook-id': mail.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': this.#keys.map((key) => `v1,${sign(key, `${mail.id}.${timestamp}.${body}`)}`).join(' '),
      },
      body,
      signal,
    }).catch((error: Error) => {
      const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException
      throw new Error(`the hook cannot be reached: ${code ?? message}`)
    })
    // The answer has nothing to say, and might never end.
    await response.body?.cancel()
    if (response.ok) return
    const { status } = response
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
        ...{ message_id: messageId(mail, this.#from), locale },
        ...{ from: this.#from, to, subject, text, html },
        ...{ link: link ?? null, code: code ?? null },
      },
    }
  }
}

function sign(key: Buffer, content: string): string {
  return createHmac('sha256', key).update(content).digest('base64')
}
