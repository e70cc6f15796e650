import { Worker } from 'node:worker_threads'
import { REQUEST_TIMEOUTS } from '../timeouts.js'
import type { TaskMessage, Tasks } from './thread.js'

const SCRIPT = new URL('../passwords/thread.js', import.meta.url)

/** A task exceeded its deadline. Its thread was terminated. */
export class HashDeadlineError extends Error {
  override readonly name = 'HashDeadlineError'
}

interface Thread {
  worker: Worker
  /** Whether the deadline has passed. A late thread gets no further task. */
  isLate: boolean
  /** Settles the promise of the running task. */
  resolve(result: unknown): void
  reject(error: Error): void
}

/** Idle threads, shared by all services of the process. The queues bound their number. */
const idle: Thread[] = []

/**
 * Runs a task of thread.ts in a worker thread of lower priority than the rest of the process: a flood of log-ins takes
 * only spare CPU time, and the libuv thread pool stays free for files and DNS.
 * @throws HashDeadlineError when the deadline passes. The thread is terminated first, so that it uses no more CPU time
 */
export function inThread<Name extends keyof Tasks>(
  task: Name,
  args: Parameters<Tasks[Name]>,
  deadlineMs = REQUEST_TIMEOUTS.hashMs,
): Promise<ReturnType<Tasks[Name]>> {
  const thread = idle.pop() ?? start()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      thread.isLate = true
      // The exit event rejects the promise. Native code stops only when it next returns to JavaScript.
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
  // Drops the execArgv of this process: loaders and inspectors would slow the thread.
  const thread: Thread = { worker: new Worker(SCRIPT, { execArgv: [] }), isLate: false, resolve() {}, reject() {} }
  thread.worker
    .on('message', (result) => {
      // An idle thread must not keep the process alive.
      thread.worker.unref()
      if (!thread.isLate) idle.push(thread)
      thread.resolve(result)
    })
    // The thread has exited. The next task starts a new thread.
    .on('error', (error) => thread.reject(error))
    .on('exit', () => {
      if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
      thread.reject(new Error('A thread that hashes passwords has ended'))
    })
  return thread
}
