import type { SendMailOptions } from 'nodemailer'
import type { Mailbox } from '../../config/mail-url.js'
import { type Mail, messageId } from '../transport.js'

/**
 * The mail as nodemailer takes it. The recipient is given in parts: as text, `a@x, b@y` would be two of them. A name is never
 * given for it, and headers are never built from what people chose but the subject, which nodemailer encodes.
 */
export function mimeOf(mail: Mail, from: Mailbox): SendMailOptions {
  return {
    from,
    to: [{ name: '', address: mail.to }],
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    messageId: messageId(mail, from),
    // No out-of-office answers (RFC 3834, and the one that Exchange reads).
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All', 'Content-Language': mail.locale },
  }
}

/** Defaults of every mail: nodemailer would read a file or an address where a body is an object that names one. */
export const NO_REACHING_OUT = { disableFileAccess: true, disableUrlAccess: true }
