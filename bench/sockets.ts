import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const END_OF_HEADERS = '\r\n\r\n'

/** The bytes of an HTTP request, built before the measurement starts. */
export function requestBytes(
  line: string,
  { headers = {}, body = '' }: { headers?: Record<string, string>; body?: string } = {},
): Buffer {
  const all = {
    host: 'localhost',
    ...headers,
    ...(body !== '' && { 'content-length': String(Buffer.byteLength(body)) }),
  }
  const lines = [`${line} HTTP/1.1`, ...Object.entries(all).map(([name, value]) => `${name}: ${value}`)]
  return Buffer.from(`${lines.join('\r\n')}${END_OF_HEADERS}${body}`)
}

/**
 * Sends requests over this many connections, each with one request in flight. Returns the texts of the responses, in
 * the order of the requests. Parses only the status and the Content-Length. node:http would use as much processor time
 * per request as the service itself.
 * @throws Error when a response has another status
 */
export async function sendAll(port: number, requests: readonly Buffer[], status: number, connections: number) {
  const answers: string[] = new Array(requests.length)
  let next = 0
  const oneConnection = async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    await new Promise<void>((resolve, reject) => {
      let current = -1
      const go = () => {
        current = next++
        const request = requests[current]
        if (request === undefined) return resolve()
        socket.write(request)
      }
      onAnswer(socket, (answer) => {
        if (!answer.startsWith(`HTTP/1.1 ${status} `)) return reject(new Error(answer))
        answers[current] = answer
        go()
      })
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('The service has closed a connection')))
      go()
    })
    socket.destroy()
  }
  await Promise.all(Array.from({ length: connections }, oneConnection))
  return answers
}

function onAnswer(socket: Socket, listen: (answer: string) => void): void {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    const end = text.indexOf(END_OF_HEADERS)
    if (end === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0)
    if (text.length < end + END_OF_HEADERS.length + length) return
    const answer = text
    text = ''
    listen(answer)
  })
}
