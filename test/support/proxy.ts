import { execFile, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from './databases.js'
import { freePort } from './postgres-server.js'
import { until } from './replica.js'

const run = promisify(execFile)

/** Shorter than the replicas' DRAIN_DELAY. */
const IDLE_MS = 500
const ASK_EVERY_MS = 200
const STATUS_OF_NO_REPLICA = 502

/**
 * A load balancer like that of Kubernetes: replicas whose /readyz is 200 get requests in turn, no request is sent
 * twice, and X-Forwarded-For contains the client's address.
 */
export async function startProxy(t: Test, replicas: string[]): Promise<string> {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS })
  const ready = new Set(replicas)
  const asking = setInterval(() => {
    for (const replica of replicas) {
      fetch(`${replica}/readyz`).then(
        ({ ok }) => (ok ? ready.add(replica) : ready.delete(replica)),
        () => ready.delete(replica),
      )
    }
  }, ASK_EVERY_MS)
  let turn = 0
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    turn += 1
    const now = replicas.filter((replica) => ready.has(replica))
    pass(incoming, Buffer.concat(chunks), outgoing, now[turn % now.length] ?? '')
  })

  function pass(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse, address: string): void {
    const headers = { ...incoming.headers, 'x-forwarded-for': incoming.socket.remoteAddress ?? '' }
    const outbound = request(`${address}${incoming.url}`, { method: incoming.method ?? 'GET', headers, agent })
    outbound.on('response', (answer) => {
      const { connection: _, ...kept } = answer.headers
      outgoing.writeHead(answer.statusCode ?? STATUS_OF_NO_REPLICA, kept)
      answer.pipe(outgoing)
    })
    outbound.on('error', (error) => {
      outgoing.writeHead(STATUS_OF_NO_REPLICA).end(JSON.stringify(String(error)))
    })
    outbound.end(body)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    clearInterval(asking)
    server.close()
    server.closeAllConnections()
    agent.destroy()
  })
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

/** The reason to skip a test with HAProxy; undefined where HAProxy is installed. */
export async function reasonNotToStartHaproxy(): Promise<string | undefined> {
  return run('haproxy', ['-v']).then(
    () => undefined,
    () => 'needs haproxy',
  )
}

/** HAProxy with the project's configuration. Only the addresses of HAProxy and of the replicas are replaced. */
export async function startHaproxy(t: Test, replicas: string[]): Promise<string> {
  const port = await freePort()
  const text = await readFile(join(packageRoot, 'deploy', 'haproxy', 'haproxy.cfg'), 'utf8')
  const file = join(await temporaryFolder(t), 'haproxy.cfg')
  const servers = replicas.map((address, index) => `server replica${index} ${new URL(address).host}`)
  const here = text.replace(/server-template .*/, servers.join('\n  ')).replace('bind :8080', `bind 127.0.0.1:${port}`)
  await writeFile(file, here)
  const haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaints = ''
  haproxy.stderr.on('data', (data) => {
    complaints += data
  })
  const exit = new Promise((resolve) => haproxy.on('exit', resolve))
  t.teardown(async () => {
    haproxy.kill('SIGTERM')
    await exit
  })
  const address = `http://127.0.0.1:${port}`
  const answers = async () => (await fetch(`${address}/livez`)).ok
  await until(() => answers().catch(() => false)).catch(() => {
    throw new Error(`haproxy: ${complaints}`)
  })
  return address
}
