import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Test } from 'tap'
import { temporaryFolder } from '../support/databases.js'

export interface Received {
  to: string[]
  from: string
  mail: ParsedMail
  raw: string
  isSecure: boolean
  user: unknown
}

/** A real SMTP server that stores the mails it receives. */
export interface MailServer {
  port: number
  received: Received[]
  /** The number of connections so far. */
  connections: number
}

/** Starts an SMTP server. By default it accepts every mail without TLS. */
export async function startSmtp(t: Test, options: SMTPServerOptions = {}, host = '127.0.0.1'): Promise<MailServer> {
  const state: MailServer = { port: 0, received: [], connections: 0 }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.key === undefined ? ['STARTTLS'] : [],
    logger: false,
    onConnect: (_session, callback) => {
      state.connections += 1
      callback()
    },
    async onData(stream, session, callback) {
      const chunks: Buffer[] = []
      try {
        for await (const chunk of stream) chunks.push(chunk as Buffer)
      } catch (error) {
        // A client that is killed in the middle of a mail has not sent it.
        return callback(error as Error)
      }
      const raw = Buffer.concat(chunks)
      state.received.push({
        to: session.envelope.rcptTo.map(({ address }) => address),
        from: session.envelope.mailFrom === false ? '' : session.envelope.mailFrom.address,
        mail: await simpleParser(raw),
        raw: raw.toString(),
        isSecure: session.secure,
        user: session.user,
      })
      callback()
    },
    ...options,
  })
  // Without a handler, a failed TLS handshake would crash this process.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  state.port = (server.server.address() as AddressInfo).port
  return state
}

/** A TCP server that passes each connection to this function. Returns its port. */
export async function startRaw(t: Test, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  })
  return (server.address() as AddressInfo).port
}

/** A self-signed certificate for localhost. */
export async function makeCertificate(t: Test, name = 'localhost') {
  const folder = await temporaryFolder(t)
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const files = ['-keyout', keyFile, '-out', certFile]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files], {
    stdio: 'ignore',
  })
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), certFile }
}
