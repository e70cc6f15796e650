// On SQLite alone: connections of clients do not depend on the database.

import { connect } from 'node:net'
import t from 'tap'
import { startService } from '../helper.js'
import { listen } from '../support/wire.js'

t.setTimeout(120_000)

const CLIENTS = 20
const CHUNK = `4000\r\n${'x'.repeat(0x4000)}\r\n`
const CHUNKED = 'Host: a\r\nTransfer-Encoding: chunked\r\n'
const JSON_TYPE = 'Content-Type: application/json\r\n'

t.test('a client that is still sending gets its response, not a reset, and is then disconnected', async (t) => {
  const service = await startService(t, { BODY_LIMIT: '1KiB' })
  const port = await listen(service)
  const cases: [name: string, head: string, status: number][] = [
    ['too large', `POST /v1/login HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n`, 413],
    [
      'announced as too large',
      `POST /v1/login HTTP/1.1\r\n${JSON_TYPE}Host: a\r\nContent-Length: 1073741824\r\n\r\n`,
      413,
    ],
    ['of another type', `POST /v1/login HTTP/1.1\r\nContent-Type: text/plain\r\n${CHUNKED}\r\n`, 413],
    ['without a token', `POST /v1/todos HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n`, 401],
    ['nowhere', `POST /nothing HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n`, 404],
    ['at a tutorial', `POST /tutorials HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n`, 401],
    ['to an address that cannot be decoded', `POST /%zz HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n`, 400],
    ['with large headers', `POST /v1/login HTTP/1.1\r\nX-Large: ${'x'.repeat(9_000)}\r\n${CHUNKED}\r\n`, 431],
    ['that is no HTTP', 'GARBAGE\r\n\r\n', 400],
  ]
  for (const [name, head, status] of cases) {
    const answers = await Promise.all(Array.from({ length: CLIENTS }, () => sendWithoutEnd(port, head)))
    t.same(answers, Array(CLIENTS).fill(`HTTP/1.1 ${status}`), name)
  }
})

t.test('a request with a body and without a token keeps its connection', async (t) => {
  const service = await startService(t)
  const port = await listen(service)
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes
  })
  const post = `POST /v1/todos HTTP/1.1\r\nHost: a\r\n${JSON_TYPE}Content-Length: 5000\r\n\r\n`
  socket.write(post)
  await new Promise((resolve) => setTimeout(resolve, 100))
  socket.write(`${'x'.repeat(5_000)}GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  await new Promise((resolve) => socket.once('close', resolve))
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 200'])
})

t.test('bytes after a response that closes the connection are not read as a request', async (t) => {
  const service = await startService(t, { BODY_LIMIT: '1KiB' })
  const port = await listen(service)
  const hidden = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n'
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes
    // The rest of the body and another request, sent after the response, while the connection lingers.
    socket.write(`0\r\n\r\n${hidden}`)
  })
  socket.on('error', () => {})
  socket.write(`POST /v1/login HTTP/1.1\r\n${JSON_TYPE}${CHUNKED}\r\n800\r\n${'x'.repeat(0x800)}\r\n`)
  await new Promise((resolve) => socket.once('close', resolve))
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413'])
})

/** Sends as fast as the service reads, like a client that reads the response only when it has sent everything. */
function sendWithoutEnd(port: number, head: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const send = () => {
      while (!socket.destroyed && socket.writable && socket.write(CHUNK));
    }
    socket.on('data', (bytes) => {
      text += bytes
    })
    socket.on('drain', () => setImmediate(send))
    socket.on('error', () => {})
    socket.on('close', () => resolve(/^HTTP\/1\.1 \d+/.exec(text)?.[0] ?? 'no answer'))
    socket.write(head)
    send()
  })
}
