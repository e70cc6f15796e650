import t from 'tap'
import { addTotp, ticketOf } from '../factors/people.js'
import { PASSWORD } from '../helper.js'
import { newestGifts } from './links.js'
import { deliver, outboxOf, register, startMailing } from './people.js'
import { startSmtp } from './servers.js'

t.setTimeout(120_000)
const NEW_PASSWORD = 'four louder lanterns'

t.test('a user is notified by mail of a new password and of a changed address', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', 'mina@example.org')
  await register(service, 'joon', 'joon@example.org')
  const mina = await service.logIn('mina')

  const changed = await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  t.equal(changed.statusCode, 204)
  const wrong = await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  t.equal(wrong.statusCode, 403)
  await deliver(service)
  t.same(
    server.received.map(({ to, mail }) => [to, mail.subject]),
    [[['mina@example.org'], 'Your password for Example was changed']],
  )

  server.received.length = 0
  const moved = await mina.patch('/v1/me', { email: 'mina@example.net', current_password: NEW_PASSWORD })
  t.equal(moved.statusCode, 200)
  t.equal((await mina.patch('/v1/me', { name: 'Mina' })).statusCode, 200)
  await deliver(service)
  const subjects = () => server.received.map(({ to, mail }) => [to, mail.subject])
  t.same(subjects(), [[['mina@example.net'], 'Confirm your new address for Example']])
  const { code } = newestGifts(server)
  await mina.post('/v1/email-verification/confirm', { email: 'mina@example.net', code })
  await deliver(service)
  t.same(subjects().at(-1), [['mina@example.org'], 'The address of your account at Example was changed'])
})

t.test('a notice is in the language of the account', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', 'mina@example.org')
  const mina = await service.logIn('mina')
  t.equal((await mina.patch('/v1/me', { locale: 'ko-KR' })).statusCode, 200)
  await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  await deliver(service)
  const [received] = server.received
  t.equal(received?.mail.subject, 'Example 비밀번호가 변경되었습니다')
  t.match(received?.mail.text, /Example 계정 mina의 비밀번호가 .* 변경되었습니다/)
  t.match(received?.mail.html, /<html lang="ko">/)
})

t.test('an account without an address gets no notice', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  const mina = await service.signUp('mina')
  await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  t.same(await outboxOf(service), [])
})

t.test('a service that listens sends a notice at once', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server, { PORT: '0', HOST: '127.0.0.1' })
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  await register(service, 'mina', 'mina@example.org')
  const mina = await service.logIn('mina')
  await mina.post('/v1/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  const { until } = await import('../support/replica.js')
  await until(async () => server.received.length === 1 && (await outboxOf(service)).length === 0)
  t.same(server.received[0]?.to, ['mina@example.org'])
})

t.test('a user is notified of each change of the second factors, and of repeated wrong codes', async (t) => {
  const server = await startSmtp(t)
  const service = await startMailing(t, server)
  await register(service, 'mina', 'mina@example.org')
  const phone = await addTotp(await service.logIn('mina'))
  const ticket = await ticketOf(service, 'mina')
  const totp = phone.wrongCode()
  for (let tries = 0; tries < 7; tries += 1) await service.post('/v1/login/factor', { ticket, totp })
  await service.post('/v1/login/factor', { ticket, recovery_code: phone.recoveryCodes[0] })
  await phone.person.post('/v1/me/recovery-codes')
  await phone.person.delete(`/v1/me/factors/${phone.id}`)
  await deliver(service)
  t.same(server.received.map(({ mail }) => mail.subject).sort(), [
    'A recovery code of your account at Example was used',
    'A second factor was added to your account at Example',
    'A second factor was removed from your account at Example',
    'New recovery codes for your account at Example',
    'Somebody knows your password for Example',
  ])
})
