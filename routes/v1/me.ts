import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Problem } from '../../src/problems.js'
import { problems, ref, toUser, User } from '../../src/schemas.js'

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/v1/me', {
    schema: {
      operationId: 'getMe',
      tags: ['me'],
      summary: 'Who am I?',
      description: 'The account of the access token.',
      response: { 200: ref(User), ...problems(400, 401) },
    },
    handler: async (request) => {
      const user = await app.accounts.find(request.user.userId)
      if (user === undefined) throw new Problem('invalid_token')
      return toUser(user)
    },
  })
}

export default routes
