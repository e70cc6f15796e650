import cluster from 'node:cluster'

/** A worker that ended is replaced after this pause, so that one that cannot stay up does not take the machine. */
const REPLACE_AFTER_MS = 1_000
const STOP = 'stop'

/**
 * Starts processes that serve on the same port, replaces those that end, and stops them all on SIGTERM or SIGINT.
 * Resolves to the port when all of them listen; if one cannot start, none stays and this process ends with its exit code.
 */
export function superviseWorkers(count: number): Promise<number> {
  let isStarted = false
  let isStopping = false
  let exitCode = 0

  const workers = () => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
  const stop = () => {
    // A second signal ends them at once. A worker that could not start has closed its channel and ends by itself.
    for (const worker of workers()) {
      if (isStopping) worker.process.kill('SIGKILL')
      else if (worker.isConnected()) worker.send(STOP)
    }
    isStopping = true
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)

  cluster.on('exit', ({ process: { pid } }, code, signal) => {
    if (!isStarted && !isStopping) stop()
    if (isStopping) {
      exitCode ||= code ?? 1
      if (workers().length === 0) process.exit(exitCode)
      return
    }
    process.stderr.write(`latchkey: worker ${pid} ended (${signal ?? code}) and is replaced\n`)
    setTimeout(() => {
      if (!isStopping) cluster.fork()
    }, REPLACE_AFTER_MS)
  })

  for (let started = 0; started < count; started += 1) cluster.fork()
  return new Promise((resolve) => {
    // Each of them may listen on two addresses.
    const listening = new Set<number>()
    cluster.on('listening', ({ id }, { port }) => {
      listening.add(id)
      if (listening.size < count) return
      isStarted = true
      resolve(port)
    })
  })
}

/**
 * In a worker, lets the supervisor alone say when to stop: a terminal and systemd send their signals to every process of
 * a service, and a worker that hears it twice would take the second for impatience.
 */
export function onStop(stop: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {})
  process.on('message', (message) => {
    if (message === STOP) stop()
  })
}
