import { connect } from 'node:net'
import type { Service } from '../helper.js'

/** Makes a service listen on a free port of 127.0.0.1. */
export async function listen(service: Service): Promise<number> {
  return Number(new URL(await service.app.listen({ host: '127.0.0.1', port: 0 })).port)
}

/** Sends raw bytes, which no HTTP client corrects. Resolves to all bytes of the response when the connection closes. */
export async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(5_000, () => socket.destroy(new Error(`no end of the answer to ${bytes.slice(0, 80)}`)))
  socket.write(bytes)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}

/** The bytes of a request with `Connection: close`: `GET /path`, further header lines, a body. */
export function lastRequest(target: string, headers = '', body = ''): string {
  return `${target} HTTP/1.1\r\nHost: latchkey.test\r\nConnection: close\r\n${headers}\r\n${body}`
}
