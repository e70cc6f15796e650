import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { buildApp } from '../src/app.js'
import { packageRoot } from '../src/package.js'
import { Service } from './helper.js'

const CLI = join(packageRoot, 'dist', 'src', 'cli.js')
const START_DEADLINE_MS = 40_000

/** Another replica in this process: the same settings and database, nothing shared in memory. */
export async function startSecond(t: Test, first: Service): Promise<Service> {
  const app = await buildApp(first.app.config)
  t.teardown(() => app.close())
  await app.ready()
  return new Service(app, first.contract)
}

/** The settings that a replica in a process of its own must share with a service in this one. */
export function settingsOf({ app }: Service): Record<string, string> {
  const { DATABASE_URL, SECRET_KEY, PUBLIC_URL } = app.config
  return { DATABASE_URL, PUBLIC_URL, ...(SECRET_KEY.length > 0 && { SECRET_KEY: SECRET_KEY.join() }) }
}

/** A replica in a process of its own: the built service, on a free port. It ends with the test. */
export async function spawnReplica(t: Test, settings: Record<string, string>, nodeOptions: string[] = []) {
  const child = spawn(process.execPath, [...nodeOptions, CLI, 'serve'], {
    env: { PATH: process.env.PATH, PORT: '0', BCRYPT_COST: '10', RATE_LIMIT: 'off', LOG_LEVEL: 'error', ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => end(child))
  return { child, address: await listening(child) }
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  child.kill(signal)
  return new Promise((resolve) => child.on('exit', (code) => resolve(code)))
}

/** Waits until something is so. Returns how long it took, in milliseconds. */
export async function until(condition: () => Promise<boolean>, deadlineMs = 15_000, pauseMs = 10): Promise<number> {
  const startedAt = performance.now()
  while (!(await condition())) {
    if (performance.now() - startedAt > deadlineMs) throw new Error('It did not happen in time')
    await sleep(pauseMs)
  }
  return Math.round(performance.now() - startedAt)
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error(`does not listen: ${text}`)), START_DEADLINE_MS)
    child.on('exit', (code) => reject(new Error(`ended with ${code}: ${text}`)))
    child.stderr?.on('data', (chunk) => {
      text += chunk
      const address = /listens on (http:\S+)/.exec(text)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
  })
}
