// On SQLite alone: the order of responses on a connection does not depend on the database.

import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startService } from '../helper.js'
import { exchange, lastRequest, listen } from '../support/wire.js'

const ONE = 'GET /openapi.json HTTP/1.1\r\nHost: latchkey.test\r\n\r\n'

t.test('ten pipelined requests are all answered', async (t) => {
  const port = await listen(await startService(t))
  const answer = await exchange(port, ONE.repeat(9) + lastRequest('GET /livez'))
  t.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 10)
})

t.test('a hundred sequential requests on one connection are all answered', async (t) => {
  const port = await listen(await startService(t))
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  t.teardown(() => socket.destroy())
  for (let n = 0; n < 100; n += 1) {
    socket.write('HEAD /livez HTTP/1.1\r\nHost: latchkey.test\r\n\r\n')
    const [answer] = await once(socket, 'data')
    if (!String(answer).startsWith('HTTP/1.1 200 ')) t.fail(String(answer))
  }
})

for (const method of ['GET', 'HEAD']) {
  t.test(`of 400 pipelined ${method} requests at most 32 are answered, and the connection is closed`, async (t) => {
    const service = await startService(t)
    let begun = 0
    service.app.server.prependListener('request', (_request, response) => {
      const { writeHead } = response
      response.writeHead = ((...args: Parameters<typeof writeHead>) => {
        begun += 1
        return writeHead.apply(response, args)
      }) as typeof writeHead
    })
    const port = await listen(service)
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(ONE.replace('GET', method).repeat(400))
    socket.resume()
    await once(socket, 'close')
    t.ok(begun <= 32, `${begun} answers`)
    t.match(await exchange(port, lastRequest('GET /livez')), /^HTTP\/1\.1 200 /)
  })
}

t.test('pipelined requests are answered one at a time, in the order in which they were sent', async (t) => {
  const service = await startService(t)
  const mina = await service.signUp('mina')
  const port = await listen(service)
  let [atWork, most] = [0, 0]
  service.app.server.prependListener('request', (_request, response) => {
    const { end } = response
    response.end = ((...args: Parameters<typeof end>) => {
      atWork += 1
      most = Math.max(most, atWork)
      response.once('finish', () => {
        atWork -= 1
      })
      return end.apply(response, args)
    }) as typeof end
  })
  const create = (n: number) => {
    const body = JSON.stringify({ title: `todo ${n}` })
    return (
      `POST /v1/todos HTTP/1.1\r\nHost: latchkey.test\r\nAuthorization: Bearer ${mina.token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )
  }
  const answer = await exchange(
    port,
    Array.from({ length: 20 }, (_, n) => create(n)).join('') + lastRequest('GET /livez'),
  )
  t.same(
    [...answer.matchAll(/"title":"todo (\d+)"/g)].map(([, n]) => Number(n)),
    Array.from({ length: 20 }, (_, n) => n),
  )
  t.equal(most, 1)
})
