import { createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** The address to listen on where there can be one alone: of `localhost`, the one that every machine has. */
export function firstAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

/**
 * Listens on HOST and PORT. `localhost` is both loopback addresses, because clients resolve the name to either: connections to
 * the second are handed to the one HTTP server, so that its limits and its drain hold for all. A machine without IPv6 has one.
 */
export async function listen(app: FastifyInstance): Promise<void> {
  const { HOST, PORT, MAX_CONNECTIONS } = app.config
  if (HOST !== 'localhost') {
    await app.listen({ host: HOST, port: PORT })
    return
  }
  const second = createServer((socket) => app.server.emit('connection', socket))
  second.maxConnections = MAX_CONNECTIONS
  app.addHook('preClose', async () => {
    second.close()
  })
  await app.listen({ host: firstAddress(HOST), port: PORT })
  const { port } = app.server.address() as { port: number }
  await new Promise<void>((resolve) => {
    second.once('error', (error: NodeJS.ErrnoException) => {
      const isAbsent = error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT'
      if (!isAbsent) app.log.warn({ err: error }, 'localhost is served on 127.0.0.1 alone')
      resolve()
    })
    second.listen({ host: '::1', port, ipv6Only: true }, resolve)
  })
}
