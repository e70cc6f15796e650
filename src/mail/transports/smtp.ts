import { createTransport } from 'nodemailer'
import { isLoopbackHost, type Mailbox, type MailTarget } from '../../config/mail-url.js'
import { type Mail, MailRefused, type Transport } from '../transport.js'
import { mimeOf, NO_REACHING_OUT } from './mime.js'

type SmtpTarget = Extract<MailTarget, { kind: 'smtp' }>

const CONNECT_TIMEOUT_MS = 10_000
const SILENCE_TIMEOUT_MS = 20_000
/** The server wants a log-in or TLS first (RFC 4954, RFC 3207): a mistake of the operator, who can mend it in time. */
const NOT_ABOUT_THE_MAIL = new Set([530, 534, 535, 538])

/** Sends over SMTP, each mail over a connection of its own: a pool saves little and leaves connections behind. */
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

/** Without the server's own words, which may quote the recipient. */
function describe(error: Error & { code?: string; responseCode?: number }): Error {
  const { code = 'error', responseCode, message } = error
  if (responseCode === undefined) return new Error(`${code}: ${message}`)
  const said = `the server answers ${responseCode}`
  // To the envelope or the message alone: a refused greeting or log-in is not about this mail.
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
      // Off this machine never in the clear, or whoever stands between takes the password and every link.
      requireTLS: !isSecure && !isHere,
      // The certificate of a server on this machine is seldom of a name; smtps:// asks for a good one everywhere.
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
