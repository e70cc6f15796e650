import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')
/** A start takes a second on an idle machine. The test's own limit usually ends a wait. */
const DEADLINE_MS = 120_000

interface Surroundings {
  settings?: Record<string, string>
  /** The working directory; by default a new and empty one. */
  folder?: string
  nodeOptions?: string[]
  /** A limit of the process, as an option of ulimit: `-n 256` open files, `-f 100` blocks in a file. */
  limit?: string
}

/**
 * Runs the built command in its own process, which is killed after the test. Its environment is PATH and these
 * settings.
 */
export async function latchkey(t: Test, args: string[], surroundings: Surroundings = {}): Promise<Child> {
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run npm run build first`)
  return nodeProcess(t, [...(surroundings.nodeOptions ?? []), CLI, ...args], surroundings)
}

/** Runs another program for Node in the same way. */
export async function nodeProcess(t: Test, args: string[], surroundings: Surroundings = {}): Promise<Child> {
  const folder = surroundings.folder ?? (await temporaryFolder(t))
  const env = { PATH: process.env.PATH, ...surroundings.settings }
  const { limit } = surroundings
  const [command, ...rest] =
    limit === undefined
      ? [process.execPath, ...args]
      : ['sh', '-c', `ulimit ${limit}; exec "$0" "$@"`, process.execPath, ...args]
  const child = new Child(spawn(command, rest, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }), folder)
  t.teardown(() => child.end())
  return child
}

/** Starts the service in a process of its own, on a free port. */
export async function serving(t: Test, { settings, ...surroundings }: Surroundings = {}): Promise<Child> {
  const defaults = { PORT: '0', BCRYPT_COST: '10', RATE_LIMIT: 'off', MAX_EVENT_LOOP_DELAY: 'off' }
  const child = await latchkey(t, ['serve'], { ...surroundings, settings: { ...defaults, ...settings } })
  await child.says(/Latchkey listens on/)
  return child
}

/** A process and its output. */
export class Child {
  stdout = ''
  stderr = ''
  /** The exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals | null>
  readonly #process: ChildProcess

  constructor(
    process: ChildProcess,
    readonly folder: string,
  ) {
    this.#process = process
    process.stdout?.on('data', (text) => {
      this.stdout += text
    })
    process.stderr?.on('data', (text) => {
      this.stderr += text
    })
    this.exit = new Promise((resolve) => process.on('close', (code, signal) => resolve(code ?? signal)))
  }

  /** The address that the service printed. */
  get address(): string {
    const [, address] =
      /listens on (http:\S+)/.exec(this.stderr) ?? /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(this.stdout) ?? []
    if (address === undefined) throw new Error(`no address in: ${this.stderr}${this.stdout}`)
    return address
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('it never ran')
    return this.#process.pid
  }

  get port(): number {
    return Number(new URL(this.address).port)
  }

  /** The lines of the log. */
  get log(): Record<string, unknown>[] {
    return this.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Sends SIGTERM. Resolves to the exit code. */
  stop(): Promise<number | NodeJS.Signals | null> {
    this.signal('SIGTERM')
    return this.exit
  }

  /** Sends SIGKILL. */
  async end(): Promise<void> {
    this.signal('SIGKILL')
    await this.exit
  }

  /**
   * Waits until standard output or standard error matches.
   * @throws Error when the process has ended, or after the deadline
   */
  async says(words: RegExp, deadlineMs = DEADLINE_MS): Promise<void> {
    const deadline = Date.now() + deadlineMs
    while (!words.test(this.stderr) && !words.test(this.stdout)) {
      if (Date.now() > deadline || this.#process.exitCode !== null) {
        throw new Error(`never said ${words}: ${this.stderr}\n${this.stdout}`)
      }
      await sleep(10)
    }
  }

  /** A request to the service, over the network. */
  async request(method: string, path: string, { token, body }: { token?: string; body?: unknown } = {}) {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
  }
}
