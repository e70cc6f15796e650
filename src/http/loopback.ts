import { createServer, type Server } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/** The address for a server that can listen on only one. For `localhost`: 127.0.0.1, which every machine has. */
export function firstAddress(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}

/** Listens on HOST and PORT. `localhost` means both loopback addresses, because clients resolve the name to either. */
export async function listen(app: FastifyInstance): Promise<void> {
  const { HOST, PORT } = app.config
  const second = secondServer(app.server)
  app.addHook('preClose', async () => {
    second.close()
  })
  await app.listen({ host: firstAddress(HOST), port: PORT })
  if (HOST === 'localhost') await listenOnIpv6(second, app.server, app.log)
}

/** A server that passes its connections to `first`, so that limits and drain apply to all. */
export function secondServer(first: Server): Server {
  return createServer((socket) => first.emit('connection', socket))
}

/** Listens on ::1, with the port and limit of `first`. On a machine without IPv6 only 127.0.0.1 is used. */
export async function listenOnIpv6(second: Server, first: Server, log: FastifyBaseLogger): Promise<void> {
  second.maxConnections = first.maxConnections
  const { port } = first.address() as { port: number }
  await new Promise<void>((resolve) => {
    second.once('error', (error: NodeJS.ErrnoException) => {
      const isAbsent = error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT'
      if (!isAbsent) log.warn({ err: error }, 'localhost is served only on 127.0.0.1, not on ::1')
      resolve()
    })
    second.listen({ host: '::1', port, ipv6Only: true }, resolve)
  })
}
