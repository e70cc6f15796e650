import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../src/package.js'

/** Open connections. Each has one request in flight. */
export const CONNECTIONS = 32

export interface HttpRequest {
  method: string
  path: string
  headers?: Record<string, string>
  body?: string
}

/** The requests, sent in turn. With `tokens`, TOKEN in a request is replaced by an unused refresh token. */
export interface Load {
  requests: HttpRequest[]
  tokens?: string[]
}

export interface Outcome {
  /** Successful responses. */
  perSecond: number
  /** Milliseconds; Infinity without a response. */
  p50: number
  p99: number
  /** Responses with a status of 400 or above, and failed connections. */
  failed: number
}

export interface LoadOptions {
  seconds: number
  connections?: number
}

const run = promisify(execFile)
const hasWrk = spawnSync('wrk', ['-v']).error === undefined

/** The load generator that is installed. wrk uses less CPU than autocannon. */
export const generator = hasWrk ? 'wrk' : 'autocannon'

/** Sends requests as fast as the server responds. The load generator writes its script to `folder`. */
export function load(port: number, what: Load, options: LoadOptions, folder: string): Promise<Outcome> {
  return hasWrk ? runWrk(port, what, options, folder) : runAutocannon(port, what, options)
}

async function runWrk(port: number, what: Load, { seconds, connections = CONNECTIONS }: LoadOptions, folder: string) {
  const file = join(folder, `requests-${port}-${performance.now()}.lua`)
  writeFileSync(file, toLua(what, port))
  const script = join(packageRoot, 'bench', 'requests.lua')
  const { stdout } = await run('wrk', [
    ...['-t', '1', '-c', String(connections), '-d', `${Math.ceil(seconds)}s`, '-s', script, `http://127.0.0.1:${port}`],
    // A log-in that waits in the hash queue has not failed.
    ...['--timeout', '30s', '--', file, what.tokens ? 'chain' : 'fixed'],
  ])
  const result = JSON.parse(stdout.split('RESULT')[1] ?? '{}')
  return {
    perSecond: (result.count - result.failed) / result.seconds,
    p50: result.count > 0 ? result.p50 : Number.POSITIVE_INFINITY,
    p99: result.count > 0 ? result.p99 : Number.POSITIVE_INFINITY,
    failed: result.failed,
  }
}

/** The requests as raw bytes, so that the load generator computes nothing. */
function toLua({ requests, tokens = [] }: Load, port: number): string {
  // The placeholder is as long as a token, so that Content-Length stays right.
  const length = (body: string) => Buffer.byteLength(body.replace('TOKEN', tokens[0] ?? 'TOKEN'))
  const texts = requests.map(({ method, path, headers = {}, body }) => {
    const lines = { host: `127.0.0.1:${port}`, ...headers, ...(body && { 'content-length': length(body) }) }
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
    return `${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${body ?? ''}`
  })
  const list = (items: string[]) => `{${items.map((item) => JSON.stringify(item)).join(',\n')}}`
  return `return { requests = ${list(texts)}, tokens = ${list(tokens)} }\n`
}

interface AutocannonResult {
  requests: { average: number }
  latency: { p50: number; p99: number }
  non2xx: number
  '3xx': number
  errors: number
}

async function runAutocannon(port: number, what: Load, { seconds, connections = CONNECTIONS }: LoadOptions) {
  // Installed in bench/node_modules, which neither the compiler nor Node searches.
  const { default: autocannon } = await import(createRequire(join(packageRoot, 'bench', 'any')).resolve('autocannon'))
  const tokens = [...(what.tokens ?? [])]
  let turn = 0
  const result: AutocannonResult = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    duration: seconds,
    requests: [
      {
        setupRequest(request: object) {
          turn = (turn + 1) % what.requests.length
          const next = what.requests[turn]
          return { ...request, ...next, body: next?.body?.replace('TOKEN', () => tokens.shift() ?? '') }
        },
        onResponse(_status: number, body: string) {
          if (what.tokens) tokens.push(JSON.parse(body).refresh_token)
        },
      },
    ],
  })
  const { requests, latency, non2xx, errors } = result
  return { perSecond: requests.average, ...latency, failed: non2xx - result['3xx'] + errors }
}
