// On SQLite alone: bugs in routes do not depend on the database.

import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { temporaryFolder } from '../helper.js'

const SECRET = 'SELECT secret FROM vault'
const BODY = { type: 'urn:latchkey:problem:internal_error', status: 500, code: 'internal_error' }

/** Values that a buggy route can throw, reject with or send. */
const BUGS: Record<string, unknown> = {
  'an error': new Error(SECRET),
  'a subclass of Error': new TypeError(SECRET),
  'an error with a cause': new Error(SECRET, { cause: new Error(SECRET) }),
  'an error with a status and headers': Object.assign(new Error(SECRET), {
    statusCode: 418,
    headers: { 'x-leak': SECRET },
  }),
  'an error with status 200': Object.assign(new Error(SECRET), { statusCode: 200 }),
  'an error of the database': Object.assign(new Error(SECRET), { code: 'SQLITE_ERROR' }),
  'an error whose code is a number': new DOMException(SECRET, 'TimeoutError'),
  'an aggregate': new AggregateError([new Error(SECRET)], SECRET),
  'a text': SECRET,
  'an object': { statusCode: 400, message: SECRET, code: 'SECRET' },
  'a number': 7,
  'an object without a prototype': Object.create(null),
  null: null,
  undefined: undefined,
  false: false,
}

t.test('whatever a handler throws, the response is a 500 problem that reveals nothing of it', async (t) => {
  const app = await startWith(t, (app) => {
    for (const [index, thrown] of Object.values(BUGS).entries()) {
      app.get(`/sync/${index}`, { config: { public: true } }, () => {
        throw thrown
      })
      app.get(`/async/${index}`, { config: { public: true } }, async () => {
        throw thrown
      })
      app.get(`/hook/${index}`, {
        config: { public: true },
        preHandler: async () => {
          throw thrown
        },
        handler: async () => SECRET,
      })
    }
  })
  for (const [index, name] of Object.keys(BUGS).entries()) {
    for (const way of ['sync', 'async', 'hook']) await isInternal(t, app, `/${way}/${index}`, `${way}: ${name}`)
  }
})

t.test('a response that cannot be serialized is a 500 problem that reveals nothing of it', async (t) => {
  const config = { public: true } as const
  const required = { type: 'object', required: ['secret'], properties: { secret: { type: 'string' } } }
  const app = await startWith(t, (app) => {
    app.get('/sent', { config }, (_request, reply) => reply.send(new Error(SECRET)))
    app.get('/lacking', { config, schema: { response: { 200: required } } }, async () => ({ other: SECRET }))
    app.get('/bigint', { config }, async () => ({ secret: 1n }))
    app.get('/circular', { config }, async () => {
      const answer: Record<string, unknown> = { secret: SECRET }
      answer.answer = answer
      return answer
    })
  })
  for (const url of ['/sent', '/lacking', '/bigint', '/circular']) await isInternal(t, app, url, url)
})

async function isInternal(t: Test, app: FastifyInstance, url: string, name: string): Promise<void> {
  const { statusCode, headers, payload } = await app.inject({ url, headers: { 'x-request-id': 'given-12345' } })
  t.equal(statusCode, 500, name)
  t.match(headers, { 'content-type': /^application\/problem\+json/, 'x-content-type-options': 'nosniff' }, name)
  t.same(
    JSON.parse(payload),
    { ...BODY, title: 'Something went wrong here; the request_id finds it in the log.', request_id: 'given-12345' },
    name,
  )
  t.notMatch(JSON.stringify(headers) + payload, /secret|vault|x-leak|at .+\.ts/i, name)
}

/** A service with routes that the test adds. */
async function startWith(t: Test, addRoutes: (app: FastifyInstance) => void): Promise<FastifyInstance> {
  const DATABASE_URL = `sqlite:${join(await temporaryFolder(t), 'latchkey.db')}`
  const app = await buildApp({
    ...loadConfig({ DATABASE_URL, LOG_LEVEL: 'silent', TRUST_PROXY: '127.0.0.1' }),
    BCRYPT_COST: 4,
  })
  t.teardown(() => app.close())
  addRoutes(app)
  await app.ready()
  return app
}
