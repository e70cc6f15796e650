// On SQLite alone: the processes run on a SQLite file.

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { PASSWORD } from '../helper.js'
import { type Child, serving } from '../support/child.js'

// Starting a process takes a second, and many more on a busy machine.
t.setTimeout(600_000)

const BODY = JSON.stringify({ username: 'mina', password: PASSWORD })

t.test('a request in flight at SIGTERM is answered, and its connection is closed', async (t) => {
  const service = await serving(t)
  const client = await Client.connect(t, service)
  await client.beginRegistration()
  service.signal('SIGTERM')
  await service.says(/"msg":"stopping"/)
  client.send(BODY)
  await client.says(/^HTTP\/1\.1 201 [\s\S]*"access_token"/m)
  t.match(client.text, /^connection: close\r$/im)
  t.equal(await service.exit, 0)
  t.match(service.log.at(-1), { level: 30 })
})

t.test('a log-in that is being hashed at SIGTERM is answered', async (t) => {
  const service = await serving(t, { settings: { BCRYPT_COST: '12' } })
  const answer = service.request('POST', '/v1/register', { body: { username: 'mina', password: PASSWORD } })
  await sleep(60)
  service.signal('SIGTERM')
  t.equal((await answer).status, 201)
  t.equal(await service.exit, 0)
})

t.test('a connection that is idle after an answer does not delay the stop', async (t) => {
  const service = await serving(t)
  const client = await Client.connect(t, service)
  client.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.says(/\{"status":"ok"\}/)
  t.match(client.text, /^connection: keep-alive\r$/im)
  const startedAt = Date.now()
  service.signal('SIGTERM')
  t.equal(await service.exit, 0)
  t.ok(Date.now() - startedAt < 8_000, 'sooner than the time-out')
})

// Browsers and load balancers open spare connections in advance.
t.test('a connection on which nothing was ever sent does not delay the stop', async (t) => {
  const service = await serving(t)
  const client = await Client.connect(t, service)
  t.equal((await service.request('GET', '/livez')).status, 200)
  const startedAt = Date.now()
  service.signal('SIGTERM')
  t.equal(await service.exit, 0)
  t.ok(Date.now() - startedAt < 8_000, 'sooner than the time-out')
  t.equal(client.text, '')
})

t.test('a request that never ends is cut off after SHUTDOWN_TIMEOUT', async (t) => {
  const service = await serving(t, { settings: { SHUTDOWN_TIMEOUT: '1s' } })
  const client = await Client.connect(t, service)
  await client.beginRegistration()
  service.signal('SIGTERM')
  t.equal(await service.exit, 0)
  t.notMatch(client.text, /HTTP\/1\.1 2/)
})

t.test('during DRAIN_DELAY, /readyz returns 503 and all other requests are served', async (t) => {
  const service = await serving(t, { settings: { DRAIN_DELAY: '1s' } })
  service.signal('SIGTERM')
  await service.says(/"msg":"stopping"/)
  const readyz = await service.request('GET', '/readyz')
  t.match(readyz, { status: 503, body: { code: 'not_ready' } })
  t.equal(readyz.headers.get('connection'), 'close')
  t.equal((await service.request('GET', '/livez')).status, 200)
  t.equal((await service.request('POST', '/v1/register', { body: JSON.parse(BODY) })).status, 201)
  t.equal(await service.exit, 0)
})

t.test('a second signal ends the process at once', async (t) => {
  const service = await serving(t, { settings: { DRAIN_DELAY: '5m' } })
  service.signal('SIGTERM')
  await service.says(/"msg":"stopping"/)
  service.signal('SIGTERM')
  t.equal(await service.exit, 1)
})

t.test('SIGINT stops the service as well', async (t) => {
  const service = await serving(t)
  service.signal('SIGINT')
  t.equal(await service.exit, 0)
})

/** A client that sends exactly the given bytes, and keeps the text that it receives. */
class Client {
  text = ''

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => {
      this.text += bytes
    })
    socket.on('error', () => {})
  }

  static async connect(t: Test, service: Child): Promise<Client> {
    const socket = connect(service.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    await new Promise((resolve) => socket.once('connect', resolve))
    return new Client(socket)
  }

  send(text: string): void {
    this.socket.write(text)
  }

  /** Sends everything except the body. Resolves when the server has read the headers. */
  async beginRegistration(): Promise<void> {
    const headers = [
      'Host: x',
      'Content-Type: application/json',
      `Content-Length: ${BODY.length}`,
      'Expect: 100-continue',
    ]
    this.send(`POST /v1/register HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`)
    await this.says(/100 Continue/)
  }

  async says(words: RegExp): Promise<void> {
    const deadline = Date.now() + 10_000
    while (!words.test(this.text)) {
      if (Date.now() > deadline) throw new Error(`never said ${words}: ${this.text}`)
      await sleep(10)
    }
  }
}
