import { Worker } from 'node:worker_threads'
import type { TaskMessage, Tasks } from './thread.js'

const SCRIPT = new URL('../passwords/thread.js', import.meta.url)

/** The dearest hash within the bounds takes two or three seconds of a processor. */
export const HASH_DEADLINE_MS = 10_000

/** A task took too long, and its thread was ended. */
export class HashDeadlineError extends Error {
  override readonly name = 'HashDeadlineError'
}

interface Thread {
  worker: Worker
  /** Its deadline has passed: no other task is given to it. */
  isLate: boolean
  /** Settles the task at work. */
  resolve(result: unknown): void
  reject(error: Error): void
}

/** Threads with nothing to do. They belong to the process, not to a service: the queues decide how many there are. */
const idle: Thread[] = []

/**
 * Runs a task of hash-thread.ts in a thread with a lower priority than everything else: a flood of log-ins takes the
 * processor time that is left over, and Node's own threads stay free for files and names.
 * @throws HashDeadlineError when it is not done in time. Its thread is ended first, so that it takes no processor any more
 */
export function inThread<Name extends keyof Tasks>(
  task: Name,
  args: Parameters<Tasks[Name]>,
  deadlineMs = HASH_DEADLINE_MS,
): Promise<ReturnType<Tasks[Name]>> {
  const thread = idle.pop() ?? start()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      thread.isLate = true
      // The exit of the thread rejects. Code of C ends at its next return to JavaScript.
      void thread.worker.terminate()
    }, deadlineMs)
    thread.resolve = (result) => {
      clearTimeout(timer)
      resolve(result as ReturnType<Tasks[Name]>)
    }
    thread.reject = (error) => {
      clearTimeout(timer)
      reject(thread.isLate ? new HashDeadlineError(`A hash took longer than ${deadlineMs} ms`) : error)
    }
    thread.worker.ref()
    thread.worker.postMessage({ task, args } satisfies TaskMessage<Name>)
  })
}

function start(): Thread {
  // Without what this process was started with: loaders and inspectors are nothing for it.
  const thread: Thread = { worker: new Worker(SCRIPT, { execArgv: [] }), isLate: false, resolve() {}, reject() {} }
  thread.worker
    .on('message', (result) => {
      // A process that has nothing else to do may end.
      thread.worker.unref()
      if (!thread.isLate) idle.push(thread)
      thread.resolve(result)
    })
    // It has ended then, and the next task starts another.
    .on('error', (error) => thread.reject(error))
    .on('exit', () => {
      if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
      thread.reject(new Error('A thread that hashes passwords has ended'))
    })
  return thread
}
