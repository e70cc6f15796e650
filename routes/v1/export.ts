import { Readable } from 'node:stream'
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
      summary: 'Download all data stored about you',
      description:
        'Returns all data that Latchkey stores about you as one JSON document, without secrets and without data ' +
        'of other users. Requires a log-in within the last five minutes; otherwise the response is 401 ' +
        '`reauthentication_required`. If the transfer breaks off, the document is invalid JSON: download it ' +
        'again.',
      response: {
        200: {
          description: 'The document.',
          headers: {
            'Content-Disposition': Type.String({ description: 'Tells browsers to save the document as a file.' }),
          },
          content: { 'application/json': { schema: ref(AccountExport) } },
        },
        ...problems(400, 401, 429),
      },
    },
    // For HEAD, the router would read the whole document, or call a missing one empty.
    handler: (request, reply) =>
      request.method === 'HEAD'
        ? reply.header('content-disposition', 'attachment').type('application/json').send(Readable.from([]))
        : sendExport(request, reply),
  })
}

export default routes
