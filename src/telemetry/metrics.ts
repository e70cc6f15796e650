import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { breachChecks, clientRequests, hashes, logins, mails, prunes, statements, tokens } from './channels.js'

const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const HASH_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2]
const STATEMENT_SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 3]

/** Values that are read at each scrape. */
interface Gauges {
  waitingHashes(): number
  revocationLagMs(): number
}

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
  answered(labels: { method: string; route: string; status: number }, seconds: number): void
  stop(): void
}

/** The metrics of this process in the Prometheus format. Loaded only if metrics are on. */
export function startMetrics(gauges: Gauges): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer a request, by route pattern.',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const loginAttempts = new Counter({
    name: 'login_attempts_total',
    help: 'Log-ins tried: succeeded, failed, or throttled before the password was checked.',
    labelNames: ['result'],
    registers,
  })
  const tokensIssued = new Counter({
    name: 'tokens_issued_total',
    help: 'Access tokens issued, by grant.',
    labelNames: ['grant'],
    registers,
  })
  const ofClients = new Counter({
    name: 'client_requests_total',
    help: 'Requests of OAuth clients: tokens issued, introspections, revocations, and failed client authentications.',
    labelNames: ['client', 'request'],
    registers,
  })
  const mailAttempts = new Counter({
    name: 'mails_total',
    help: 'Mails sent, delayed (to be retried), failed, or dropped as obsolete.',
    labelNames: ['purpose', 'result'],
    registers,
  })
  const breachLookups = new Counter({
    name: 'password_breach_checks_total',
    help: 'New passwords looked up at PASSWORD_BREACH_URL: clean, breached, or failed (no answer in time; the password is accepted).',
    labelNames: ['result'],
    registers,
  })
  const pruned = new Counter({
    name: 'pruned_rows_total',
    help: 'Rows deleted because they expired or their account was deleted, by table.',
    labelNames: ['table'],
    registers,
  })
  const hashTime = new Histogram({
    name: 'password_hash_duration_seconds',
    help: 'Time to hash or compare a password, without the wait for a thread.',
    buckets: HASH_SECONDS,
    registers,
  })
  const statementTime = new Histogram({
    name: 'database_statement_duration_seconds',
    help: 'Time of a database statement, including the wait for a connection.',
    buckets: STATEMENT_SECONDS,
    registers,
  })
  new Gauge({
    name: 'password_hash_queue_waiting',
    help: 'Passwords that wait to be hashed; at most HASH_QUEUE.',
    registers,
    collect() {
      this.set(gauges.waitingHashes())
    },
  })
  new Gauge({
    name: 'revocation_lag_seconds',
    help: 'Time since this process last read the revocations of other processes; above 5 it refuses tokens.',
    registers,
    collect() {
      this.set(gauges.revocationLagMs() / 1_000)
    },
  })

  const unsubscribe = [
    logins.subscribe(({ result }) => loginAttempts.inc({ result })),
    tokens.subscribe(({ grant, client }) => {
      tokensIssued.inc({ grant })
      if (client !== undefined) ofClients.inc({ client, request: grant })
    }),
    clientRequests.subscribe((labels) => ofClients.inc({ ...labels })),
    breachChecks.subscribe(({ result }) => breachLookups.inc({ result })),
    mails.subscribe(({ purpose, result }) => mailAttempts.inc({ purpose, result })),
    prunes.subscribe(({ table, rows }) => pruned.inc({ table }, rows)),
    hashes.subscribe(({ seconds }) => hashTime.observe(seconds)),
    statements.subscribe(({ seconds }) => statementTime.observe(seconds)),
  ]

  // Counters start at 0, so that an unused counter differs from a missing counter.
  for (const result of ['succeeded', 'failed', 'throttled']) loginAttempts.inc({ result }, 0)
  for (const grant of ['password', 'refresh_token', 'client_credentials', 'compat']) tokensIssued.inc({ grant }, 0)

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    answered: (labels, seconds) => requests.observe(labels, seconds),
    stop() {
      for (const stop of unsubscribe) stop()
      registry.clear()
    },
  }
}
