import type { Mailbox } from '../config/mail-url.js'

/** A mail as it leaves: one recipient, everything filled in. */
export interface Mail {
  /** The same at each attempt: what the receiver tells duplicates by. */
  id: string
  /** What it is for, such as `password_reset`. */
  purpose: string
  locale: string
  to: string
  subject: string
  text: string
  html: string
  /** The address that its button leads to, and the code to type instead; a hook may write a mail of its own with them. */
  link?: string | undefined
  code?: string | undefined
}

/** A way to send mails. */
export interface Transport {
  /** @throws MailRefused when another attempt would end the same, any other error when one may succeed */
  send(mail: Mail, signal: AbortSignal): Promise<void>
  /** Deletes what it keeps, where it keeps anything. */
  prune?(): Promise<void>
}

/** The mail cannot be delivered, ever. The message says why without naming the recipient. */
export class MailRefused extends Error {}

/** How long one mail may take, whatever the other side does: a server that drips a byte now and then is never silent. */
export const SEND_TIMEOUT_MS = 60_000

/** The Message-ID of a mail: the same at each attempt. */
export function messageId({ id }: Pick<Mail, 'id'>, { address }: Mailbox): string {
  return `<${id}@${address.slice(address.lastIndexOf('@') + 1)}>`
}
