import { randomUUID } from 'node:crypto'
import { CommandError } from '../command-error.js'
import { ConfigError, loadConfig } from '../config/config.js'
import { type MailTarget, parseMailUrl } from '../config/mail-url.js'
import { serviceName } from '../mail/composer.js'
import { openTransport } from '../mail/open-transport.js'
import { LOCALES, localeOf } from '../mail/purposes.js'
import { deliverable } from '../mail/recipients.js'
import { loadTemplates } from '../mail/templates.js'
import { SEND_TIMEOUT_MS } from '../mail/transport.js'
import { print, printJson } from '../terminal.js'
import { UsageError } from '../usage-error.js'

export const HELP = `Usage: latchkey mail test <address> [--locale en|ko] [--json]

Sends one test mail with the settings in force and reports the outcome. The texts of MAIL_TEMPLATES are checked too. The
database is neither read nor written.

  --locale   the language of the mail; en by default
  --json     print the server or folder that accepted the mail, as JSON

Exit codes: 0 the mail was accepted; 1 it was not, with the reason; 64 wrong usage; 78 wrong settings, or MAIL_URL is not set.
`

export const ACTIONS = ['test']

export const options = { locale: { type: 'string', default: 'en' }, json: { type: 'boolean' } } as const

interface Values {
  locale?: string
  json?: boolean
}

export async function run({ locale, json }: Values, [, address, extra]: string[]): Promise<void> {
  if (address === undefined) throw new UsageError('missing argument <address>: latchkey mail test <address>')
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey mail --help`)
  if (!LOCALES.some((known) => known === locale)) throw new UsageError(`--locale must be one of ${LOCALES.join(', ')}`)
  const to = deliverable(address)
  if (to === undefined) throw new UsageError(`"${address}" is not an e-mail address such as name@example.com`)
  const config = loadConfig()
  const templates = loadTemplates(config.MAIL_TEMPLATES)
  const transport = await openTransport(config)
  if (transport === undefined)
    throw new ConfigError(['MAIL_URL is not set, so mail is off; for example smtp://user:password@host:587'])
  const content = templates.compose('test', localeOf(locale), { service: serviceName(config) })
  const mail = { id: randomUUID(), purpose: 'test', locale: localeOf(locale), to, ...content }
  try {
    await transport.send(mail, AbortSignal.timeout(SEND_TIMEOUT_MS))
  } catch (error) {
    throw new CommandError(`The mail was not sent: ${(error as Error).message}`)
  }
  const target = parseMailUrl(config.MAIL_URL)
  if (json) printJson({ to, taken_by: takerOf(target) })
  else print(outcome(target, to))
}

/** The destination of a mail, for output: a folder, a server, or "hook", whose address may hold a secret. */
function takerOf(target: MailTarget): string {
  if (target.kind === 'files') return target.folder
  return target.kind === 'smtp' ? `${target.host}:${target.port}` : 'hook'
}

function outcome(target: MailTarget, to: string): string {
  if (target.kind === 'files') return `Written to the folder ${target.folder}.`
  const server = target.kind === 'smtp' ? takerOf(target) : 'The hook'
  return `${server} accepted the mail to ${to}. Check that it arrived; look in the spam folder too.`
}
