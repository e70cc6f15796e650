import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import type { Config } from './config/config.js'
import { listen } from './http/loopback.js'

const IDLE_SWEEP_EVERY_MS = 50
/** A connection this old on which nothing was sent is kept at hand; a younger one has its first request on the way. */
const SILENT_AFTER_MS = 500
/** How much longer than promised the process may take before it is simply ended. */
const LAST_RESORT_MS = 2_000

/** Listens, and stops on SIGTERM or SIGINT: first as told by /readyz, then for good. A second signal ends it at once. */
export async function serve(config: Config): Promise<FastifyInstance> {
  const app = await buildApp(config)
  app.server.maxConnections = config.MAX_CONNECTIONS
  const connections = new Map<Socket, number>()
  app.server.on('connection', (socket) => {
    connections.set(socket, performance.now())
    socket.once('close', () => connections.delete(socket))
  })
  const delay = config.DRAIN_DELAY + config.SHUTDOWN_TIMEOUT + LAST_RESORT_MS
  const grace = closeWithGrace({ delay, logger: app.log }, async ({ signal, err }) => {
    if (err) app.log.fatal({ err }, 'uncaught error: this process stops')
    else app.log.info({ signal }, 'stopping')
    await stop(app, connections, err ? 0 : config.DRAIN_DELAY, config.SHUTDOWN_TIMEOUT)
  })
  try {
    await listen(app)
  } catch (error) {
    // Otherwise the end of the process would count as a good one, with exit code 0.
    grace.uninstall()
    await app.close()
    throw error
  }
  return app
}

/** Serves on for the drain delay while /readyz says 503, then closes; what is in flight has until the time-out. */
async function stop(
  app: FastifyInstance,
  connections: Map<Socket, number>,
  drainDelayMs: number,
  timeoutMs: number,
): Promise<void> {
  app.drain.begin()
  await sleep(drainDelayMs)
  // Closing waits for every connection, and one that is idle again after its last answer would be waited for too.
  const sweep = setInterval(() => {
    app.server.closeIdleConnections()
    // Node does not count a connection as idle on which nothing was ever sent.
    const silentSince = performance.now() - SILENT_AFTER_MS
    for (const [socket, since] of connections) if (socket.bytesRead === 0 && since < silentSince) socket.destroy()
  }, IDLE_SWEEP_EVERY_MS)
  const deadline = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
  await app.close()
  clearInterval(sweep)
  clearTimeout(deadline)
}
