import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { sendExport } from '../../src/api/account-export.js'
import { AccountExport } from '../../src/api/export-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { ref } from '../../src/api/schemas.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.addSchema(AccountExport)

  app.get('/v1/me/export', {
    // The export contains everything, so it accepts no scoped token and no API key, and needs a recent log-in.
    config: { rateLimit: 'account', recentLogin: true },
    schema: {
      operationId: 'exportAccount',
      tags: ['me'],
      summary: 'Download what is stored about you',
      description:
        'All that Latchkey stores about your account and its rows, as one JSON document: no secrets, and nothing of anybody ' +
        'else. It needs a log-in of the last five minutes. A document that breaks off was not sent whole.',
      response: {
        200: {
          description: 'The document.',
          headers: { 'Content-Disposition': Type.String({ description: 'Has browsers store it as a file.' }) },
          content: { 'application/json': { schema: ref(AccountExport) } },
        },
        ...problems(400, 401, 429),
      },
    },
    // For HEAD, the router would read the whole stream.
    handler: (request, reply) =>
      request.method === 'HEAD'
        ? reply.header('content-disposition', 'attachment').type('application/json').send('')
        : sendExport(request, reply),
  })
}

export default routes
