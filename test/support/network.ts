import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * A network between the service and the server at `url`. It can stop forwarding bytes and keep its connections open.
 */
export async function startNetwork(t: Test, url: string) {
  const address = new URL(url)
  const { hostname, port } = address
  const sockets = new Set<Socket>()
  let isHeld = false
  let last: string | undefined
  // Otherwise Node would answer the end of a connection even while no bytes are forwarded.
  const network = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    carry(near, far)
    carry(far, near)
  })
  function carry(from: Socket, to: Socket): void {
    sockets.add(from)
    from.on('error', () => {})
    from.on('data', (chunk) => {
      if (last !== undefined && chunk.includes(last)) isHeld = true
      if (!isHeld) to.write(chunk)
    })
    from.on('end', () => isHeld || to.end())
    from.on('close', () => to.destroy())
  }
  await new Promise<void>((resolve) => network.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    network.close()
    for (const socket of sockets) socket.destroy()
  })
  address.host = `127.0.0.1:${(network.address() as AddressInfo).port}`
  return {
    url: address.href,
    hold: () => {
      isHeld = true
    },
    /** Stops forwarding when bytes with this text arrive. */
    holdAt: (text: string) => {
      last = text
    },
    release: () => {
      isHeld = false
    },
  }
}
