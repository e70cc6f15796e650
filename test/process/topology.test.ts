// On PostgreSQL alone: three replicas share a database server.

import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { countBy, PASSWORD } from '../helper.js'
import { serving } from '../support/child.js'
import { createDatabase, POSTGRES_ONLY, postgresSettings, SERVER_URL } from '../support/databases.js'
import { reasonNotToStartHaproxy, startHaproxy, startProxy } from '../support/proxy.js'
import { until } from '../support/replica.js'

// The setup of compose.yaml and deploy/kubernetes, as processes: three replicas on one PostgreSQL server behind a
// proxy.

t.setTimeout(600_000)

const REPLICAS = 3
const NETWORK_TRIES = 100
const CLIENTS = 8
/**
 * The pause of each client between two rounds. Requests are always in flight, and starting replicas still get CPU time.
 */
const PAUSE_MS = 80

const proxies = {
  'a proxy': { start: startProxy, skip: undefined },
  'HAProxy with deploy/haproxy/haproxy.cfg': { start: startHaproxy, skip: await reasonNotToStartHaproxy() },
}

for (const [name, { start, skip }] of Object.entries(proxies)) {
  t.test(`three replicas behind ${name}`, { skip: POSTGRES_ONLY || (skip ?? false) }, async (t) => {
    const url = await createDatabase(t, SERVER_URL ?? '')
    const settings = {
      ...postgresSettings(url),
      PUBLIC_URL: 'http://latchkey.test',
      LOG_LEVEL: 'error',
      TRUST_PROXY: '127.0.0.1',
      // Longer than the proxy keeps an idle connection.
      DRAIN_DELAY: '3s',
    }
    const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => serving(t, { settings })))
    const addresses = replicas.map(({ address }) => address)
    const front = new Client(await start(t, addresses), '127.0.0.2')
    const [first = '', second = '', third = ''] = addresses

    t.test('a user registers at one replica, logs in at another, and a log-out holds at all of them', async (t) => {
      const mina = await new Client(first).register('mina')
      const login = await new Client(second).post('/v1/login', { username: 'mina', password: PASSWORD })
      t.equal(login.status, 200)
      const everywhere = (token: string) =>
        Promise.all(addresses.map(async (address) => (await new Client(address).get('/v1/verify', token)).status))
      t.same(await everywhere(login.body.access_token), [204, 204, 204])
      t.equal((await new Client(third).post('/v1/logout', undefined, login.body.access_token)).status, 204)
      const refused = () => everywhere(login.body.access_token).then((statuses) => `${statuses}` === '401,401,401')
      t.comment(`refused by all after ${await until(refused)} ms`)
      t.same(await everywhere(mina.access_token), [204, 204, 204], 'the other session is still alive')
    })

    t.test('the proxy spreads requests over all replicas', async (t) => {
      const ids = await Promise.all(
        Array.from({ length: 12 }, async () => (await front.get('/v1/me')).body.request_id.slice(0, 8)),
      )
      t.equal(new Set(ids).size, REPLICAS)
    })

    t.test('an address in X-Forwarded-For counts only if the trusted proxy sent it', async (t) => {
      const claim = { 'x-forwarded-for': '203.0.113.9' }
      const seen = async (client: Client, username: string) => {
        const { body } = await client.post('/v1/register', { username, password: PASSWORD }, undefined, claim)
        return (await client.get('/v1/sessions', body.access_token)).body.items[0].ip
      }
      t.equal(await seen(front, 'joon'), '127.0.0.2', 'the proxy replaces the address that the client claims')
      t.equal(
        await seen(new Client(first, '127.0.0.3'), 'sora'),
        '127.0.0.3',
        'a header from any other address is ignored',
      )
      t.equal(
        await seen(new Client(first, '127.0.0.1'), 'haru'),
        '203.0.113.9',
        'a header from the address of the proxy is trusted',
      )
    })

    t.test('the budget of a network belongs to the address of the client, and all replicas share it', async (t) => {
      const guesser = new Client(front.address, '127.0.0.5')
      const statuses: number[] = []
      const guess = async (worker: number) => {
        for (let n = 0; statuses.length < NETWORK_TRIES + 10; n += 1) {
          const body = { username: `nobody-${worker}-${n}`, password: 'three wrong lanterns' }
          statuses.push((await guesser.post('/v1/login', body)).status)
        }
      }
      await Promise.all([1, 2, 3, 4].map(guess))
      t.same(countBy(statuses, String), { 401: NETWORK_TRIES, 429: statuses.length - NETWORK_TRIES })
      const other = await front.post('/v1/login', { username: 'mina', password: PASSWORD })
      t.equal(other.status, 200, 'another client of the same proxy is not throttled')
    })

    t.test('a rolling restart under load fails no request', async (t) => {
      const statuses: string[] = []
      let isOver = false
      const work = async (worker: number) => {
        const client = new Client(front.address, '127.0.0.2')
        let tokens = await client.register(`worker-${worker}`)
        const note = async (what: string, answer: Promise<Answer>) => {
          const { status, body } = await answer.catch((error) => ({ status: String(error), body: {} }))
          statuses.push(`${what} ${status}`)
          return body
        }
        while (!isOver) {
          await note('verify', client.get('/v1/verify', tokens.access_token))
          await note('list', client.get('/v1/todos', tokens.access_token))
          await note('add', client.post('/v1/todos', { title: 'Water the plants' }, tokens.access_token))
          tokens = await note('refresh', client.post('/v1/refresh', { refresh_token: tokens.refresh_token }))
          await sleep(PAUSE_MS)
        }
      }
      const load = Promise.all(Array.from({ length: CLIENTS }, (_, worker) => work(worker)))
      await sleep(500)
      for (const [index, replica] of replicas.entries()) {
        const { address } = replica
        t.equal(await replica.stop(), 0, `replica ${index + 1} exits with 0`)
        await serving(t, { settings: { ...settings, PORT: new URL(address).port } })
        await until(async () => (await fetch(`${address}/readyz`)).status === 200)
        await sleep(500)
      }
      isOver = true
      await load
      const counts = countBy(statuses, String)
      t.comment(`${statuses.length} requests: ${JSON.stringify(counts)}`)
      t.same(Object.keys(counts).sort(), ['add 201', 'list 200', 'refresh 200', 'verify 204'])
      t.ok(statuses.length > 500)
    })
  })
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: the body of any endpoint; each test checks what it expects.
  body: any
}

/** A client with its own address: all of 127.0.0.0/8 belongs to this machine. */
class Client {
  readonly #agent = new Agent({ keepAlive: true })

  constructor(
    readonly address: string,
    readonly from = '127.0.0.1',
  ) {}

  get(path: string, token?: string): Promise<Answer> {
    return this.#send('GET', path, undefined, token)
  }

  post(path: string, body?: unknown, token?: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send('POST', path, body, token, headers)
  }

  async register(username: string): Promise<{ access_token: string; refresh_token: string }> {
    const { status, body } = await this.post('/v1/register', { username, password: PASSWORD })
    if (status !== 201) throw new Error(`register: ${status}`)
    return body
  }

  #send(method: string, path: string, body: unknown, token?: string, given: Record<string, string> = {}) {
    const headers = {
      ...given,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    return new Promise<Answer>((resolve, reject) => {
      const options = { method, headers, localAddress: this.from, agent: this.#agent }
      const outgoing = request(`${this.address}${path}`, options, async (answer) => {
        try {
          let text = ''
          for await (const chunk of answer) text += chunk
          resolve({ status: answer.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) })
        } catch (error) {
          reject(error)
        }
      })
      outgoing.on('error', reject)
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}
