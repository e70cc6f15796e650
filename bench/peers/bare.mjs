import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import Fastify from 'fastify'
import { ready } from './shared.mjs'

// Fastify that sends the same bytes as Latchkey, headers included. Without a file of responses, plain Node with a
// response of one word: the highest rate of the load generator.

const [answersFile] = process.argv.slice(2)
if (answersFile === undefined) {
  const server = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1', () => {
    ready(server.address().port)
  })
} else {
  const app = Fastify()
  for (const { method, path, status, headers, body } of JSON.parse(readFileSync(answersFile, 'utf8'))) {
    app.route({ method, url: path, handler: (_request, reply) => reply.code(status).headers(headers).send(body) })
  }
  app.get('/hello', (_request, reply) => reply.send({ hello: 'world' }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  ready(app.server.address().port)
}
