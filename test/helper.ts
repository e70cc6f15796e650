import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import type { Test } from 'tap'
import { buildApp } from '../src/app.js'
import { type Config, loadConfig } from '../src/config/config.js'
import { isPostgres } from '../src/config/database-url.js'
import { type Contract, contractOf } from './support/contract.js'
import { migratedDatabase } from './support/databases.js'
import { mustBeDescribed } from './support/document-rules.js'
import { catchLogs, findSecret } from './support/logs.js'

export { temporaryFolder } from './support/databases.js'

export const PASSWORD = 'three quiet lanterns'

/**
 * A service with cheap hashes on a new and empty database (SQLite, or PostgreSQL in that run), closed after the test.
 * The test fails if the log contains a secret at any level: a password, a token, a hash or a key.
 */
export async function startService(t: Test, settings: Partial<Record<keyof Config, string>> = {}): Promise<Service> {
  const config = loadConfig({
    ...(settings.DATABASE_URL === undefined && (await migratedDatabase(t))),
    PUBLIC_URL: 'http://latchkey.test',
    RATE_LIMIT: 'off',
    // The event loop lags on a machine that is busy with other tests.
    MAX_EVENT_LOOP_DELAY: 'off',
    LOG_LEVEL: 'silent',
    ...settings,
  })
  const app = await buildApp({ ...config, BCRYPT_COST: 4 })
  const takeLog = config.LOG_LEVEL === 'silent' ? catchLogs(app) : () => ''
  t.teardown(async () => {
    await app.close()
    const leak = findSecret(takeLog(), [PASSWORD])
    if (leak !== undefined) throw new Error(`a secret is in the log: ${leak}`)
  })
  const document = await describedDocument(app)
  return new Service(app, contractOf(document))
}

/** The OpenAPI documents that passed their rules, by the settings of the app. */
const documents = new Map<string, Record<string, unknown>>()

/** Starts an app. Returns its document, which is the same for apps that differ only in their database. */
async function describedDocument(app: FastifyInstance): Promise<Record<string, unknown>> {
  const { DATABASE_URL, ...settings } = app.config
  const key = JSON.stringify([isPostgres(DATABASE_URL), settings])
  if (!documents.has(key)) mustBeDescribed(app)
  await app.ready()
  const document = documents.get(key) ?? (app.swagger() as Record<string, unknown>)
  documents.set(key, document)
  return document
}

/** A client of a service under test. Every response is checked against the OpenAPI document. */
export class Service {
  constructor(
    readonly app: FastifyInstance,
    readonly contract: Contract,
  ) {}

  async request(options: InjectOptions): Promise<Response> {
    const response = await this.app.inject(options)
    this.contract.check({
      method: options.method ?? 'GET',
      path: new URL(String(options.url), 'http://latchkey.test').pathname,
      status: response.statusCode,
      headers: response.headers,
      body: response.payload,
    })
    return response
  }

  get(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'GET', url, headers })
  }

  post(url: string, payload?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'POST', url, headers, ...(payload !== undefined && { payload: payload as object }) })
  }

  /** Registers a user, who is then logged in. */
  async signUp(username: string): Promise<Person> {
    const response = await this.post('/v1/register', { username, password: PASSWORD })
    if (response.statusCode !== 201) throw new Error(`register: ${response.statusCode} ${response.payload}`)
    return new Person(this, response.json())
  }

  /** Starts another session of a user. */
  async logIn(username: string, password = PASSWORD): Promise<Person> {
    const response = await this.post('/v1/login', { username, password })
    if (response.statusCode !== 200) throw new Error(`login: ${response.statusCode} ${response.payload}`)
    return new Person(this, response.json())
  }
}

export interface LoginAnswer {
  user: { id: number; username: string | null; email: string | null; role: string }
  access_token: string
  refresh_token: string
  expires_in: number
}

/** A user whose requests carry the access token. */
export class Person {
  constructor(
    readonly service: Service,
    readonly login: LoginAnswer,
  ) {}

  get id(): number {
    return this.login.user.id
  }

  get token(): string {
    return this.login.access_token
  }

  request(options: InjectOptions): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...options.headers }
    return this.service.request({ ...options, headers })
  }

  get(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'GET', url, headers })
  }

  post(url: string, payload?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'POST', url, headers, ...(payload !== undefined && { payload: payload as object }) })
  }

  patch(url: string, payload: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'PATCH', url, headers, payload: payload as object })
  }

  delete(url: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request({ method: 'DELETE', url, headers })
  }
}

/** The claims of a JWT, without verifying it. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/** Counts items by a key, to compare the outcomes of a race. */
export function countBy<Item>(items: Item[], key: (item: Item) => string | number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1
  return counts
}
