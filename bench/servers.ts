import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { packageRoot } from '../src/package.js'
import { PYTHON, PYTHON_PEERS, pythonSettings, type TutorialPeer } from './python.js'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 5_000
const TICK_MS = 10

/** A user of a server, with tokens. */
export interface Person {
  id: number
  authorization: string
  refreshToken: string
}

/** A server in a process of its own. */
export interface Server {
  port: number
  /** What the server printed at its start. */
  people: Person[]
  /** Processor time of all threads up to now in milliseconds; undefined on systems without /proc. */
  cpu(): number | undefined
  /** Resident memory in MiB, with the unshared memory of workers; undefined on systems without /proc. */
  memory(): number | undefined
  stop(): Promise<void>
}

/** Starts a server of bench/peers with these arguments. */
export async function startPeer(name: string, ...args: string[]): Promise<Server> {
  const child = fork(join(packageRoot, 'bench', 'peers', `${name}.mjs`), args, { env: production(), execArgv: [] })
  const { port, people } = await within(name, child, messageOf(child))
  return serverOf(child, port, people)
}

/** Starts a tutorial in Python, which creates its database in this file and prints its address. */
export async function startPython(peer: TutorialPeer, file: string): Promise<Server> {
  const child = spawn(PYTHON, [`${peer}_tutorial.py`], {
    cwd: PYTHON_PEERS,
    env: production(pythonSettings(file)),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { port, people } = await within(peer, child, lineOf(child.stdout))
  const server = serverOf(child, port, people)
  try {
    // The parent process listens before its workers have started.
    await within(peer, child, fetch(`http://127.0.0.1:${port}/`))
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** Starts the built Latchkey, with its log discarded. */
export async function startLatchkey(settings: Record<string, string>): Promise<Server> {
  const child = spawn(process.execPath, [join(packageRoot, 'dist', 'src', 'cli.js'), 'serve'], {
    env: production({ HOST: '127.0.0.1', PORT: '0', ...settings }),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  const port = new Promise<number>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk
      const found = /listens on http:\/\/[^:\s]+:(\d+)\n/.exec(said)?.[1]
      if (found) resolve(Number(found))
    })
  })
  return serverOf(child, await within('Latchkey', child, port), [])
}

function production(settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, NODE_ENV: 'production', ...settings }
}

type Started = Pick<Server, 'port' | 'people'>

async function messageOf(child: ChildProcess): Promise<Started> {
  const [message] = await once(child, 'message')
  return message
}

async function lineOf(output: Readable): Promise<Started> {
  const [line] = await once(createInterface(output), 'line')
  return JSON.parse(line)
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
    cpu() {
      if (process.platform !== 'linux') return undefined
      // proc(5): utime and stime are the 14th and 15th field, in ticks of 10 ms. The name before them may contain
      // spaces.
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      return sum([fields[11], fields[12]].map(Number)) * TICK_MS
    },
    memory() {
      if (process.platform !== 'linux') return undefined
      const own = kibibytes(`/proc/${child.pid}/status`, /VmRSS:\s+(\d+)/g)
      const workers = workersOf(child).map((pid) => kibibytes(`/proc/${pid}/smaps_rollup`, /Private_\w+:\s+(\d+)/g))
      return sum([own, ...workers]) / 1_024
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => {
        // A process that is killed cannot stop its workers.
        for (const pid of workersOf(child)) process.kill(pid, 'SIGKILL')
        child.kill('SIGKILL')
      }, STOP_TIMEOUT_MS)
      await once(child, 'exit')
      clearTimeout(timer)
    },
  }
}

/** The child processes of this process. */
function workersOf({ pid }: ChildProcess): number[] {
  if (process.platform !== 'linux') return []
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}

function kibibytes(file: string, pattern: RegExp): number {
  return sum([...readFileSync(file, 'utf8').matchAll(pattern)].map(([, number]) => Number(number)))
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
