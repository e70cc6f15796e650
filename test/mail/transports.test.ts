// On SQLite alone: no database.

import { createHmac } from 'node:crypto'
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import type { SMTPServerOptions } from 'smtp-server'
import t from 'tap'
import { loadConfig } from '../../src/config/config.js'
import { maskMailUrl } from '../../src/config/mail-url.js'
import { openTransport } from '../../src/mail/open-transport.js'
import { type Mail, MailRefused, type Transport } from '../../src/mail/transport.js'
import { temporaryFolder } from '../helper.js'
import { makeCertificate, startRaw, startSmtp } from './servers.js'

t.setTimeout(120_000)

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const MAIL: Mail = {
  id: '6f1c0c3e-7d0b-4c55-9d5e-111111111111',
  purpose: 'password_changed',
  locale: 'ko',
  to: 'mina@example.org',
  subject: '비밀번호',
  text: '안녕하세요\n',
  html: '<p>안녕하세요</p>',
}

async function transportTo(MAIL_URL: string): Promise<Transport> {
  const config = loadConfig({ MAIL_URL, MAIL_FROM: '"Ex, ample" <no-reply@example.com>', MAIL_WEBHOOK_SECRET: SECRET })
  const transport = await openTransport(config)
  if (transport === undefined) throw new Error('off')
  return transport
}

const send = (transport: Transport, mail: Partial<Mail> = {}, timeoutMs = 60_000) =>
  transport.send({ ...MAIL, ...mail }, AbortSignal.timeout(timeoutMs))

t.test('hostile subjects and addresses add no header and no recipient', async (t) => {
  const server = await startSmtp(t)
  const transport = await transportTo(`smtp://127.0.0.1:${server.port}`)
  await send(transport, { subject: 'x\r\nBcc: thief@example.net\r\n\r\nbody', text: 'a\r\n.\r\nMAIL FROM:<x@y>\r\n' })
  const [received] = server.received
  t.same(received?.to, ['mina@example.org'])
  t.equal(received?.mail.bcc, undefined)
  t.notMatch(received?.raw, /^Bcc:/im)
  t.match(received?.mail.from?.value, [{ name: 'Ex, ample', address: 'no-reply@example.com' }])
  for (const to of ['a@example.org, b@example.org', 'a@example.org>\r\nRCPT TO:<b@example.org', 'x <b@example.org>']) {
    await send(transport, { to }).catch(() => {})
  }
  t.notMatch(JSON.stringify(server.received.map(({ to }) => to)), /"b@example\.org"/)
})

t.test('smtps:// rejects a self-signed certificate; STARTTLS to this machine accepts it', async (t) => {
  const { key, cert } = await makeCertificate(t)
  const { logIns, onAuth } = hearLogIns()
  const server = await startSmtp(t, { key, cert, onAuth })
  await send(await transportTo(`smtp://mina:pa%20ss@127.0.0.1:${server.port}`))
  t.equal(server.received[0]?.isSecure, true, 'STARTTLS is used where it is offered')
  t.same(logIns, ['mina pa ss'])
  const secure = await startSmtp(t, { key, cert, onAuth, secure: true })
  await t.rejects(send(await transportTo(`smtps://mina:pa%20ss@127.0.0.1:${secure.port}`)), /ESOCKET|ETLS/)
  t.equal(logIns.length, 1, 'the password reached no server without a good certificate')
  t.equal(secure.received.length, 0)
})

t.test('off this machine, no password and no mail is sent without TLS and a good certificate', async (t) => {
  const { key, cert } = await makeCertificate(t)
  const addresses = Object.values(networkInterfaces()).flat()
  const host = addresses.find((one) => one?.family === 'IPv4' && !one.internal)?.address
  if (host === undefined) return t.comment('this machine has no address but its own')
  const { logIns, onAuth } = hearLogIns()
  for (const options of [{ allowInsecureAuth: true }, { key, cert }, { key, cert, secure: true }]) {
    const server = await startSmtp(t, { ...options, onAuth }, host)
    const scheme = 'secure' in options ? 'smtps' : 'smtp'
    await t.rejects(
      send(await transportTo(`${scheme}://mina:pa%20ss@${host}:${server.port}`)),
      /ESOCKET|ETLS|answers 500/,
    )
    t.same(server.received, [])
  }
  t.same(logIns, [])
})

/** Accepts and records every log-in. */
function hearLogIns() {
  const logIns: string[] = []
  const onAuth: SMTPServerOptions['onAuth'] = ({ username, password }, _session, done) => {
    logIns.push(`${username} ${password}`)
    done(null, { user: username })
  }
  return { logIns, onAuth }
}

t.test('a server that never finishes its greeting is given up at the time limit of the mail', async (t) => {
  const port = await startRaw(t, (socket) => {
    socket.write('220-wait\r\n')
    const timer = setInterval(() => socket.write('220-wait\r\n'), 100)
    socket.on('close', () => clearInterval(timer))
  })
  await t.rejects(send(await transportTo(`smtp://127.0.0.1:${port}`), {}, 1_500))
})

t.test('the webhook gets one signed POST; its answers 400 and 422 are final, and other errors are not', async (t) => {
  const posts: { headers: NodeJS.Dict<string | string[]>; body: string }[] = []
  let status = 204
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    posts.push({ headers: request.headers, body })
    response.writeHead(status, { location: '/elsewhere' }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const transport = await transportTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`)
  await send(transport, { link: 'https://app.example.com/?token=x', code: 'ABCD' })
  const { headers = {}, body = '' } = posts[0] ?? {}
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const signature = createHmac('sha256', Buffer.alloc(32, 7)).update(content).digest('base64')
  t.equal(headers['webhook-id'], MAIL.id)
  t.equal(headers['webhook-signature'], `v1,${signature}`)
  t.match(JSON.parse(body), {
    type: 'mail.password_changed',
    data: { to: MAIL.to, code: 'ABCD', subject: MAIL.subject },
  })
  for (const [answer, isFinal] of [
    [400, true],
    [422, true],
    [302, false],
    [401, false],
    [429, false],
    [503, false],
  ] as const) {
    status = answer
    const error = await send(transport).then(
      () => undefined,
      (fault) => fault,
    )
    t.equal(error instanceof MailRefused, isFinal, String(answer))
    t.ok(error instanceof Error)
  }
  t.equal(posts.length, 7, 'a redirect is not followed')
})

t.test('mail files are readable by their owner only, the same at each attempt, and deleted after a day', async (t) => {
  const folder = join(await temporaryFolder(t), 'mail')
  const transport = await transportTo(`file:${folder}`)
  await send(transport)
  await send(transport)
  const [name = '', ...others] = await readdir(folder)
  t.same(others, [])
  t.equal((await stat(join(folder, name))).mode & 0o777, 0o600)
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  const mail = await simpleParser(await readFile(join(folder, name)))
  t.same([mail.subject, mail.text?.trim()], ['비밀번호', '안녕하세요'])
  await writeFile(join(folder, 'mine.eml'), 'mine')
  const old = new Date(Date.now() - 25 * 3_600_000)
  for (const file of [name, 'mine.eml']) await utimes(join(folder, file), old, old)
  await transport.prune?.()
  t.same(await readdir(folder), ['mine.eml'])
})

t.test('unsafe and ambiguous mail settings are rejected, and secrets in MAIL_URL are masked', async (t) => {
  const refused = [
    'smtp://mail.example.com/?tls.rejectUnauthorized=false',
    'smtp://mail.example.com#x',
    'smtp://mail.example.com/path',
    'smtp://',
    'http://mail.example.com/hook',
    'https://user:password@example.com/hook',
    'ftp://example.com',
    'file:',
    'on',
    'smtp://u:%zz@example.com',
  ]
  for (const MAIL_URL of refused) {
    t.throws(
      () => loadConfig({ MAIL_URL, MAIL_FROM: 'a@example.com', MAIL_WEBHOOK_SECRET: SECRET }),
      /MAIL_URL/,
      MAIL_URL,
    )
  }
  t.throws(() => loadConfig({ MAIL_URL: 'smtp://example.com' }), /MAIL_FROM is required/)
  t.throws(
    () => loadConfig({ MAIL_URL: 'https://example.com/h', MAIL_FROM: 'a@b.com' }),
    /MAIL_WEBHOOK_SECRET is required/,
  )
  t.equal(loadConfig({}).MAIL_URL, 'off')
  t.equal(maskMailUrl('smtp://u:p@ss@host:25'), 'smtp://u:********@host:25')
  t.equal(maskMailUrl('https://host/secret?x=y'), 'https://host/********')
})
