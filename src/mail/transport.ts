import type { Mailbox } from '../config/mail-url.js'

/** A mail to send, to one recipient. */
export interface Mail {
  /** The same at each attempt, so that receivers detect duplicates. */
  id: string
  /** The purpose, such as `password_reset`. */
  purpose: string
  locale: string
  to: string
  subject: string
  text: string
  html: string
  /** The address of the button, and the code to type instead: a webhook may compose its own mail with them. */
  link?: string | undefined
  code?: string | undefined
}

/** A way to send mails. */
export interface Transport {
  /** @throws MailRefused if a retry would fail too, any other error if it may succeed */
  send(mail: Mail, signal: AbortSignal): Promise<void>
  /** Deletes old files, if the transport stores any. */
  prune?(): Promise<void>
}

/** The mail can never be delivered. The message gives the reason without the recipient. */
export class MailRefused extends Error {}

/** The time limit for one mail: idle timeouts do not stop a server that drips a byte now and then. */
export const SEND_TIMEOUT_MS = 60_000

/** The Message-ID of a mail, which is the same at each attempt. */
export function messageId({ id }: Pick<Mail, 'id'>, { address }: Mailbox): string {
  return `<${id}@${address.slice(address.lastIndexOf('@') + 1)}>`
}
