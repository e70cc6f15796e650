import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Role } from '../../src/api/account-schemas.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent } from '../../src/api/schemas.js'
import { endOfTick } from '../../src/event-loop.js'
import { sendProblem, toProblem } from '../../src/http/problem-answers.js'
import { Problem } from '../../src/problems.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/v1/verify', {
    errorHandler: answerUnauthorized,
    schema: {
      operationId: 'verify',
      tags: ['auth'],
      summary: 'Verify an access token',
      description:
        'For proxies that ask before they pass a request on (nginx auth_request, Traefik forwardAuth): 204 with who it ' +
        'is in the headers, or 401.',
      response: {
        204: noContent('The token is good.', {
          'X-Latchkey-Subject': Type.String({ description: 'The id of the user.' }),
          'X-Latchkey-Role': Role,
          'X-Latchkey-Session': Type.String({ description: 'The id of the session.' }),
        }),
        ...problems(401),
      },
    },
    handler: async ({ user }, reply) => {
      await endOfTick()
      return reply
        .code(204)
        .header('x-latchkey-subject', user.userId)
        .header('x-latchkey-role', user.role)
        .header('x-latchkey-session', user.sessionId)
        .send()
    },
  })
}

export default routes

/** To a proxy that asks, a header that cannot be read is a caller without a token: of a 400 nginx makes a 500. */
function answerUnauthorized(error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error)
  const isCallersFault = problem.status >= 400 && problem.status < 500 && ![401, 403].includes(problem.status)
  return sendProblem(isCallersFault ? new Problem('invalid_token', { cause: problem }) : problem, request, reply)
}
