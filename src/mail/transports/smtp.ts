import { createTransport } from 'nodemailer'
import { isLoopbackHost, type Mailbox, type MailTarget } from '../../config/mail-url.js'
import { type Mail, MailRefused, type Transport } from '../transport.js'
import { mimeOf, NO_REACHING_OUT } from './mime.js'

type SmtpTarget = Extract<MailTarget, { kind: 'smtp' }>

const CONNECT_TIMEOUT_MS = 10_000
const SILENCE_TIMEOUT_MS = 20_000
/**
 * The server requires a log-in or TLS (RFC 4954, RFC 3207): the operator can correct the settings, so mails are
 * retried.
 */
const NOT_ABOUT_THE_MAIL = new Set([530, 534, 535, 538])

/** Sends over SMTP, with a new connection for each mail: a pool saves little, and leaves idle connections. */
export class SmtpTransport implements Transport {
  readonly #smtp: ReturnType<typeof connect>
  readonly #from: Mailbox

  constructor(target: SmtpTarget, from: Mailbox) {
    this.#smtp = connect(target)
    this.#from = from
  }

  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    try {
      await this.#smtp.sendMail({ ...mimeOf(mail, this.#from), signal })
    } catch (error) {
      throw describe(error as Error & { code?: string; responseCode?: number })
    }
  }
}

/** Omits the server's text, which may quote the recipient. */
function describe(error: Error & { code?: string; responseCode?: number }): Error {
  const { code = 'error', responseCode, message } = error
  if (responseCode === undefined) return new Error(`${code}: ${message}`)
  const said = `the server answers ${responseCode}`
  // Only a reply to the envelope or the message is about this mail; a refused greeting or log-in is not.
  const isAboutTheMail = (code === 'EENVELOPE' || code === 'EMESSAGE') && !NOT_ABOUT_THE_MAIL.has(responseCode)
  return isAboutTheMail && responseCode >= 500 ? new MailRefused(said) : new Error(said)
}

function connect({ host, port, isSecure, user, password = '' }: SmtpTarget) {
  const isHere = isLoopbackHost(host)
  return createTransport(
    {
      host,
      port,
      secure: isSecure,
      // To another machine, never in clear text: an eavesdropper would get the password and every link.
      requireTLS: !isSecure && !isHere,
      // The certificate of a server on this machine seldom has a valid name; smtps:// verifies it everywhere.
      ...(!isSecure && isHere && { tls: { rejectUnauthorized: false } }),
      ...(user !== undefined && { auth: { user, pass: password } }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      dnsTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
    },
    NO_REACHING_OUT,
  )
}
