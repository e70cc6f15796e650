import { constants, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { hashPassword, verifyPassword } from './hashes.js'

// The worker thread of threads.ts. Runs one task at a time.

const tasks = { hashPassword, verifyPassword }
export type Tasks = typeof tasks
export interface TaskMessage<Name extends keyof Tasks = keyof Tasks> {
  task: Name
  args: Parameters<Tasks[Name]>
}

// On Linux the nice value applies to a thread, elsewhere to the whole process. Nice 10, not 19: at 19 a busy API
// starves log-ins.
if (process.platform === 'linux') {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // A sandbox may forbid setpriority. Hashing works without it.
  }
}

parentPort?.on('message', ({ task, args }: TaskMessage) => {
  const run = tasks[task] as (...args: unknown[]) => unknown
  parentPort?.postMessage(run(...args))
})
