import { createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** The address for a server that can listen on only one. For `localhost`: 127.0.0.1, which every machine has. */
export function firstAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

/**
 * Listens on HOST and PORT. `localhost` means both loopback addresses, because clients resolve the name to either. A
 * second server passes its connections to the HTTP server, so that limits and drain apply to all. On a machine without
 * IPv6 only 127.0.0.1 is used.
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
      if (!isAbsent) app.log.warn({ err: error }, 'localhost is served only on 127.0.0.1, not on ::1')
      resolve()
    })
    second.listen({ host: '::1', port, ipv6Only: true }, resolve)
  })
}
