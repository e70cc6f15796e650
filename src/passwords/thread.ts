import { constants, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashPassword, verifyPassword } from './hashes.js'

// A thread of hash-threads.ts: does one task after the other.

const tasks = { hashPassword, verifyPassword }
export type Tasks = typeof tasks
export interface TaskMessage<Name extends keyof Tasks = keyof Tasks> {
  task: Name
  args: Parameters<Tasks[Name]>
}

// Linux gives each thread a priority of its own; elsewhere this would slow the whole process. Not the lowest one, by which
// lists that take all of the processors would keep everybody from logging in.
if (process.platform === 'linux') {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Where a sandbox forbids it, people log in all the same.
  }
}

parentPort?.on('message', ({ task, args }: TaskMessage) => {
  const run = tasks[task] as (...args: unknown[]) => unknown
  parentPort?.postMessage(run(...args))
})
