import type { SendMailOptions } from 'nodemailer'
import type { Mailbox } from '../../config/mail-url.js'
import { type Mail, messageId } from '../transport.js'

/**
 * The mail in nodemailer's format. The recipient is passed as an object: as text, `a@x, b@y` would be two recipients.
 * It has no display name, and the subject, which nodemailer encodes, is the only header that contains text of users.
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

/** Defaults of every mail: otherwise, nodemailer would read a file or a URL if a body were an object that names one. */
export const NO_REACHING_OUT = { disableFileAccess: true, disableUrlAccess: true }
