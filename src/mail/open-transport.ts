import type { Config } from '../config/config.js'
import { parseMailbox, parseMailUrl } from '../config/mail-url.js'
import type { Transport } from './transport.js'

/** The transport of MAIL_URL; undefined if mail is off. Imported on demand: nodemailer takes 10 MiB. */
export async function openTransport({
  MAIL_URL,
  MAIL_FROM,
  MAIL_WEBHOOK_SECRET,
}: Config): Promise<Transport | undefined> {
  const target = parseMailUrl(MAIL_URL)
  const from = parseMailbox(MAIL_FROM)
  switch (target.kind) {
    case 'off':
      return undefined
    case 'smtp':
      return new (await import('./transports/smtp.js')).SmtpTransport(target, from)
    case 'hook':
      return new (await import('./transports/hook.js')).HookTransport(target.url, {
        from,
        secrets: MAIL_WEBHOOK_SECRET,
      })
    case 'files':
      return new (await import('./transports/files.js')).FilesTransport(target.folder, from)
  }
}
