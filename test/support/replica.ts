import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { buildApp } from '../../src/app.js'
import type { Config } from '../../src/config/config.js'
import { Service } from '../helper.js'

/** A second replica in this process: the same database and settings, except those given; no shared memory. */
export async function startSecond(t: Test, first: Service, settings: Partial<Config> = {}): Promise<Service> {
  const app = await buildApp({ ...first.app.config, ...settings })
  t.teardown(() => app.close())
  await app.ready()
  return new Service(app, first.contract)
}

/** The settings that a replica in another process must share with a service in this one. */
export function settingsOf({ app }: Service): Record<string, string> {
  const { DATABASE_URL, SECRET_KEY, PUBLIC_URL } = app.config
  return { DATABASE_URL, PUBLIC_URL, ...(SECRET_KEY.length > 0 && { SECRET_KEY: SECRET_KEY.join() }) }
}

/** Polls until the condition holds. Resolves to the milliseconds waited. @throws Error after the deadline */
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

/** Whether a process listens on this port of 127.0.0.1. */
export function reaches(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
