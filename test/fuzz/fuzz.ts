import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import type { Service } from '../helper.js'
import { catchLogs, findSecret } from '../support/logs.js'
import { type Hold, holderOf, operationsOf } from '../support/operations.js'
import { PASSWORD_MARK } from './arbitraries.js'
import { People } from './people.js'
import { encodeUrl, type Plan, planner } from './plans.js'

const BATCH = 100
/** One in this many requests is sent three times at once. */
const REPEATED_EVERY = 5
const HANGS_AFTER_MS = 10_000
/** A run stops after this many failures. */
const FAILURES_SHOWN = 10
const PLACEHOLDER = /\*-(\w+?)(?:\.(\d+))?-\*/g
const ENCODINGS = {
  json: (text: string) => JSON.stringify(text).slice(1, -1),
  url: encodeUrl,
  none: (text: string) => text,
}

export interface Failure {
  /** The operation's id. The same failure of an operation is reported once. */
  id: string
  /** The number of the request, from 1: a run of this many requests with the same seed ends with the failure. */
  number: number
  what: string
  curl: string
}

export interface Outcome {
  sent: number
  /** The number of responses by status, separately for each OpenAPI document. */
  statuses: Record<'v1' | 'compat', Record<number, number>>
  /** The ids of operations that have succeeded at least once. */
  succeeded: Set<string>
  failures: Failure[]
  people: People
  /** Bytes of live objects after a third of the requests, and at the end. */
  heap: { early: number; late: number }
}

/** Sends this many requests generated from the seed, and checks every response against the rules for all responses. */
export async function fuzz(service: Service, seed: number, requests: number): Promise<Outcome> {
  const people = await People.gather(service)
  const operations = operationsOf(service)
  const plansFor = planner(operations)
  const takeLog = catchLogs(service.app)
  const hold = holderOf(service)
  const failures: Failure[] = []
  const outcome: Outcome = {
    sent: 0,
    statuses: { v1: {}, compat: {} },
    succeeded: new Set(),
    failures,
    people,
    heap: { early: 0, late: 0 },
  }
  while (outcome.sent < requests && failures.length < FAILURES_SHOWN) {
    const draw = { seed: seed + outcome.sent, numRuns: Math.min(BATCH, requests - outcome.sent) }
    const batch = fc.sample(plansFor(outcome.succeeded), draw)
    for (const plan of batch) {
      outcome.sent += 1
      const request = fill(plan, people)
      const fail = (what: string) => {
        const isNew = !failures.some(
          (failure) => failure.id === plan.operation.id && failure.what.slice(0, 60) === what.slice(0, 60),
        )
        if (isNew) failures.push({ id: plan.operation.id, number: outcome.sent, what, curl: curlOf(request) })
      }
      // A client repeats a request without a response, and sometimes both requests arrive.
      const copies = outcome.sent % REPEATED_EVERY === 0 ? 3 : 1
      const responses = await Promise.all(Array.from({ length: copies }, () => send(service, request)))
      for (const response of responses) {
        if (response === undefined) {
          fail('no answer')
          continue
        }
        const { statusCode: status } = response
        const counts = outcome.statuses[plan.operation.isCompat ? 'compat' : 'v1']
        counts[status] = (counts[status] ?? 0) + 1
        if (status < 300) outcome.succeeded.add(plan.operation.id)
        for (const what of objections(plan, request, response, { hold, people })) fail(what)
      }
      for (const response of responses) if (response) await people.learn(plan, request, response)
    }
    const leak = findSecret(takeLog(), [PASSWORD_MARK, ...people.resetTokens])
    if (leak !== undefined)
      failures.push({ id: 'log', number: outcome.sent, what: `a secret is in the log: ${leak}`, curl: '' })
    if (outcome.heap.early === 0 && outcome.sent >= requests / 3) outcome.heap.early = liveBytes()
  }
  outcome.heap.late = liveBytes()
  return outcome
}

interface Rules {
  hold: Hold
  people: People
}

/** The rules that a response violates. */
function objections(plan: Plan, request: InjectOptions, response: Response, { hold, people }: Rules): string[] {
  const { statusCode: status, payload } = response
  const found: string[] = []
  if (status >= 500 && status !== 503) found.push(`status ${status}: ${payload}`)
  try {
    hold(plan.operation, request, response)
  } catch (error) {
    found.push((error as Error).message)
  }
  const sender = people.of(plan)
  for (const other of people.personas) {
    if (other === sender) continue
    if (payload.includes(other.rowMark)) found.push(`${sender.name} sees a row of ${other.name}: ${payload}`)
    if (sender.role !== 'admin' && payload.includes(other.accountMark))
      found.push(`${sender.name} sees the account of ${other.name}: ${payload}`)
  }
  return found
}

async function send(service: Service, request: InjectOptions): Promise<Response | undefined> {
  const patience = new AbortController()
  const hang = sleep(HANGS_AFTER_MS, undefined, { signal: patience.signal }).catch(() => undefined)
  const response = await Promise.race([service.app.inject(request), hang])
  patience.abort()
  return response ?? undefined
}

/** The request of a plan, with the current values of its placeholders. */
function fill(plan: Plan, people: People): InjectOptions {
  const filled = (text: string, encoding: keyof typeof ENCODINGS) =>
    text.replaceAll(PLACEHOLDER, (_, name: string, n = '0') => ENCODINGS[encoding](people.value(plan, name, Number(n))))
  const { method, authorization, path, query, headers, body } = plan
  const url = filled(path, 'url') + (query === '' ? '' : `?${filled(query, 'url')}`)
  const sent = Object.entries({ ...headers, authorization, 'content-type': body?.type })
  return {
    method: method as 'GET',
    url,
    headers: Object.fromEntries(
      sent.flatMap(([name, value]) => (value === undefined ? [] : [[name, filled(value, 'none')]])),
    ),
    ...(body !== undefined && { payload: filled(body.text, body.encoding) }),
  }
}

/** The request as a shell command. */
function curlOf({ method, url, headers, payload }: InjectOptions): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
  return [
    `curl -X ${method} ${quote(`http://localhost:8000${url}`)}`,
    ...Object.entries(headers ?? {}).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(payload === undefined ? [] : [`--data-raw ${quote(String(payload))}`]),
  ].join(' ')
}

let collect: (() => void) | undefined

function liveBytes(): number {
  setFlagsFromString('--expose-gc')
  collect ??= runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
