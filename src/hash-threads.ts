import { Worker } from 'node:worker_threads'
import type { Order, Tasks } from './hash-thread.js'

const SCRIPT = new URL('hash-thread.js', import.meta.url)

interface Thread {
  worker: Worker
  /** Who waits for what it does now. */
  resolve(result: unknown): void
  reject(error: Error): void
}

/** Threads with nothing to do. The process's, not a service's: how many there are, the queues decide. */
const idle: Thread[] = []

/**
 * Runs a task of hash-thread.ts in a thread of its own, with a lower priority than everything else: a flood of log-ins
 * takes the processor time that is left over, and Node's own threads stay free for files and names.
 */
export function inThread<Name extends keyof Tasks>(
  task: Name,
  ...args: Parameters<Tasks[Name]>
): Promise<ReturnType<Tasks[Name]>> {
  const thread = idle.pop() ?? start()
  return new Promise((resolve, reject) => {
    thread.resolve = resolve as Thread['resolve']
    thread.reject = reject
    thread.worker.ref()
    thread.worker.postMessage({ task, args } satisfies Order<Name>)
  })
}

function start(): Thread {
  // Without what this process was started with: loaders and inspectors are nothing for it.
  const thread: Thread = { worker: new Worker(SCRIPT, { execArgv: [] }), resolve() {}, reject() {} }
  thread.worker
    .on('message', (result) => {
      // A process that has nothing else to do may end.
      thread.worker.unref()
      idle.push(thread)
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
