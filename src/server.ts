import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import type { Config } from './config/config.js'
import { listen } from './http/loopback.js'

const IDLE_SWEEP_EVERY_MS = 50
/**
 * A connection that is this old and has sent nothing is a spare one; a younger one may have its first request on the
 * way.
 */
const SILENT_AFTER_MS = 500
/** How much longer than configured a shutdown may take before the process is killed. */
const LAST_RESORT_MS = 2_000

/**
 * Listens, and shuts down on SIGTERM or SIGINT: /readyz reports 503 first, then the server closes. A second signal
 * exits at once.
 */
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
    // Otherwise, closeWithGrace would exit with code 0.
    grace.uninstall()
    await app.close()
    throw error
  }
  return app
}

/**
 * Keeps serving for the drain delay, while /readyz answers 503, then closes. Requests in flight have until the
 * time-out.
 */
async function stop(
  app: FastifyInstance,
  connections: Map<Socket, number>,
  drainDelayMs: number,
  timeoutMs: number,
): Promise<void> {
  app.drain.begin()
  await sleep(drainDelayMs)
  // Closing waits for every connection, including those that become idle after their last response.
  const sweep = setInterval(() => {
    app.server.closeIdleConnections()
    // Node does not count connections as idle that never sent anything.
    const silentSince = performance.now() - SILENT_AFTER_MS
    for (const [socket, since] of connections) if (socket.bytesRead === 0 && since < silentSince) socket.destroy()
  }, IDLE_SWEEP_EVERY_MS)
  const deadline = setTimeout(() => app.server.closeAllConnections(), timeoutMs)
  await app.close()
  clearInterval(sweep)
  clearTimeout(deadline)
}
