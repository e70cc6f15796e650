import type { LightMyRequestResponse as Response } from 'fastify'
import t, { type Test } from 'tap'
import { PASSWORD, Person, type Service } from '../helper.js'
import { installation } from '../support/installation.js'
import { formsOf, giftsOf, newest, open, submit } from './links.js'
import { deliver, SENDER } from './people.js'
import { type MailServer, startSmtp } from './servers.js'

t.setTimeout(180_000)

// All uses of mail, one after the other. TRANSCRIPT=1 prints the requests, responses and mails.

const ADDRESS = 'mina@example.org'
const NEW_ADDRESS = 'mina@example.net'
const SECOND = 'four louder lanterns'
const THIRD = 'five quiet lanterns'

t.test(
  'register, confirm, forget, reset by link and by code, change the address, log in by code, invite',
  async (t) => {
    const server = await startSmtp(t)
    const mail = {
      MAIL_URL: `smtp://127.0.0.1:${server.port}`,
      MAIL_FROM: SENDER,
      PUBLIC_URL: 'https://id.example.com',
    }
    const { startService, run } = await installation(t, mail)
    const service = await startService({ ...mail, EMAIL_VERIFICATION: 'required', EMAIL_LOGIN: 'on' })
    const { post, says, mailed } = scribe(t, service, server)

    const registration = { username: 'mina', email: ADDRESS, password: PASSWORD }
    t.equal(await post('/v1/register', registration), 202)
    t.equal(await post('/v1/login', { username: 'mina', password: PASSWORD }), 403)
    const { link } = await mailed()
    const [confirmation] = formsOf((await open(service, link)).body)
    const confirmed = await again(() =>
      submit(service, confirmation?.action ?? '', { ...confirmation?.fields, password: PASSWORD }),
    )
    says(`the page of the link, with the password: ${confirmed.statusCode}`)
    t.equal(confirmed.statusCode, 200)
    t.equal(await post('/v1/login', { username: 'mina', password: PASSWORD }), 200)

    t.equal(await post('/v1/password-reset/request', { email: ADDRESS }), 202)
    const reset = await mailed()
    const [form] = formsOf((await open(service, reset.link)).body)
    const done = await again(() => submit(service, form?.action ?? '', { ...form?.fields, new_password: SECOND }))
    says(`the page of the link, with a new password: ${done.statusCode}`)
    t.equal(done.statusCode, 200)
    t.match((await mailed()).subject, /password .* was changed/)
    t.equal(await post('/v1/password-reset/request', { email: ADDRESS }), 202)
    const { code } = await mailed()
    t.equal(await post('/v1/password-reset', { email: ADDRESS, code, new_password: THIRD }), 204)
    t.equal(await post('/v1/login', { username: 'mina', password: SECOND }), 401)
    t.match((await mailed()).subject, /password .* was changed/)

    const mina = new Person(
      service,
      (await again(() => service.post('/v1/login', { username: 'mina', password: THIRD }))).json(),
    )
    const change = await again(() => mina.patch('/v1/me', { email: NEW_ADDRESS, current_password: THIRD }))
    says(`PATCH /v1/me {"email":"${NEW_ADDRESS}"} -> ${change.statusCode}`)
    const { code: proof } = await mailed()
    const proved = await mina.post('/v1/email-verification/confirm', { email: NEW_ADDRESS, code: proof })
    says(`POST /v1/email-verification/confirm, with the access token -> ${proved.statusCode}`)
    t.match((await mina.get('/v1/me')).json(), { email: NEW_ADDRESS, email_verified: true })
    t.match((await mailed()).to, ADDRESS, 'the old address is notified')

    t.equal(await post('/v1/login/code/request', { email: NEW_ADDRESS }), 202)
    const login = await mailed()
    t.equal(await post('/v1/login/code', { email: NEW_ADDRESS, code: login.code }), 200)

    const invited = await run(['users', 'invite', 'joon@example.org'])
    says(`latchkey users invite joon@example.org\n${invited.stdout.trim()}`)
    t.match(invited, { code: 0, stdout: /^Invited joon@example\.org \(id \d+\); the service sends the mail\.$/m })
    t.notMatch(invited.stdout, /lkt_/, 'the output cannot be used to take over the account')
    const { token } = await mailed()
    t.equal(await post('/v1/invitations/accept', { token, username: 'joon', password: PASSWORD }), 200)
    t.match((await again(() => service.post('/v1/login', { username: 'joon', password: PASSWORD }))).json().user, {
      email: 'joon@example.org',
      email_verified: true,
    })
    t.match((await run(['users', 'invite', 'joon@example.org'])).code, 1, 'the same address cannot be invited twice')
  },
)

t.test('without mail, the command line prints the invitation token', async (t) => {
  const { startService, run } = await installation(t)
  const service = await startService()
  const { code, stdout } = await run(['users', 'invite', 'sora@example.org', '--json'])
  t.equal(code, 0)
  const { token, user } = JSON.parse(stdout)
  t.match(user, { email: 'sora@example.org', username: null })
  const accepted = await again(() =>
    service.post('/v1/invitations/accept', { token, username: 'sora', password: PASSWORD }),
  )
  t.match(
    accepted.json(),
    { user: { id: user.id, email_verified: false } },
    'a token that was handed over does not confirm the address',
  )
})

/** Repeats a request that gets 503: on a busy machine, a hash may wait for more than two seconds. */
async function again(send: () => Promise<Response>): Promise<Response> {
  const answer = await send()
  return answer.statusCode === 503 ? again(send) : answer
}

/** Records requests, responses and mails, without secrets. */
function scribe(t: Test, service: Service, server: MailServer) {
  const says = (line: string) => {
    if (process.env.TRANSCRIPT) t.comment(line)
  }
  return {
    says,
    async post(path: string, body: Record<string, string>): Promise<number> {
      const { statusCode, body: answer } = await again(() => service.post(path, body))
      const code = statusCode > 299 ? ` ${JSON.parse(answer).code}` : ''
      const shown = Object.entries(body).map(([name, value]) => [name, /password|token/.test(name) ? '...' : value])
      says(`POST ${path} ${JSON.stringify(Object.fromEntries(shown))} -> ${statusCode}${code}`)
      return statusCode
    },
    async mailed() {
      const before = server.received.length
      await deliver(service)
      if (server.received.length === before) throw new Error('no mail has arrived')
      const { mail, to } = newest(server)
      const gifts = giftsOf({ mail })
      const link = gifts.link && ` ${gifts.link.slice(0, gifts.link.indexOf('lkt_') + 8)}...`
      says(`  SMTP: to ${to}: "${mail.subject}"${link} ${gifts.link ? gifts.code : gifts.code.slice(0, 9)}`)
      return { ...gifts, to: String(to), subject: String(mail.subject) }
    },
  }
}
