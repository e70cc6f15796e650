import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../src/package.js'

const START_TIMEOUT_MS = 60_000

/** Somebody with tokens, as a server of the bench knows them. */
export interface Person {
  id: number
  authorization: string
  refreshToken: string
}

/** A server in a process of its own. */
export interface Server {
  port: number
  /** What the server itself said at its start. */
  people: Person[]
  /** Resident memory now, in MiB; undefined where the system does not tell. */
  memory(): number | undefined
  stop(): Promise<void>
}

/** Starts one of bench/peers with these arguments. */
export async function startPeer(name: string, ...args: string[]): Promise<Server> {
  const child = fork(join(packageRoot, 'bench', 'peers', `${name}.mjs`), args, { env: production(), execArgv: [] })
  const { port, people } = await within(name, child, messageOf(child))
  return serverOf(child, port, people)
}

/** Starts Latchkey as it is shipped: the built files, with its log going to where it costs no disk. */
export async function startLatchkey(settings: Record<string, string>): Promise<Server> {
  const child = spawn(process.execPath, [join(packageRoot, 'dist', 'src', 'cli.js'), 'serve'], {
    env: production({ HOST: '127.0.0.1', PORT: '0', ...settings }),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  const port = new Promise<number>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk
      const found = /listens on http:\/\/127\.0\.0\.1:(\d+)\n/.exec(said)?.[1]
      if (found) resolve(Number(found))
    })
  })
  return serverOf(child, await within('Latchkey', child, port), [])
}

function production(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, NODE_ENV: 'production', ...settings }
}

async function messageOf(child: ChildProcess): Promise<{ port: number; people: Person[] }> {
  const [message] = await once(child, 'message')
  return message
}

async function within<Value>(name: string, child: ChildProcess, value: Promise<Value>): Promise<Value> {
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS)
  const failure = Promise.race([once(child, 'exit', { signal: timeout }), once(child, 'error', { signal: timeout })])
  return Promise.race([
    value,
    failure.then(
      () => Promise.reject(new Error(`${name} ended instead of listening`)),
      () => Promise.reject(new Error(`${name} does not listen`)),
    ),
  ])
}

function serverOf(child: ChildProcess, port: number, people: Person[]): Server {
  return {
    port,
    people,
    memory() {
      if (process.platform !== 'linux') return undefined
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await once(child, 'exit')
      clearTimeout(timer)
    },
  }
}
