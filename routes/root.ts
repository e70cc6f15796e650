import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { ref } from '../src/api/schemas.js'
import { json } from '../src/compat/schemas.js'
import { publicPath } from '../src/config/public-url.js'
import { Problem } from '../src/problems.js'

const Hello = Type.Object(
  { message: Type.String() },
  { $id: 'Hello', description: 'A greeting.', examples: [{ message: 'Hello, FastAPI!' }] },
)

/** GET /: the docs page for browsers, and the response of the FastAPI TODO tutorial for programs. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { DOCS, COMPAT } = app.config
  if (!DOCS && !COMPAT) return
  app.addSchema(Hello)

  app.get('/', {
    config: { public: true },
    schema: COMPAT
      ? {
          operationId: 'fastapiTodoReadRoot',
          tags: ['fastapi-todo'],
          summary: 'Say hello',
          description: 'Returns the greeting of the tutorial. Browsers are redirected to /docs.',
          security: [],
          response: { 200: json('Hello.', ref(Hello)), 302: Type.Null({ description: 'To /docs, for a browser.' }) },
        }
      : { hide: true },
    handler: async (request, reply) => {
      if (DOCS && request.headers.accept?.includes('text/html')) return reply.redirect(`${publicPath(app.config)}/docs`)
      if (!COMPAT) throw new Problem('not_found')
      return { message: 'Hello, FastAPI!' }
    },
  })
}

export default routes
