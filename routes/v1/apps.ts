import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { nextCursor } from '../../src/api/paging.js'
import { problems } from '../../src/api/problem-schemas.js'
import { noContent, pageOf, ref } from '../../src/api/schemas.js'
import { timestamp } from '../../src/api/times.js'
import { clientOf } from '../../src/audit/requester.js'

const App = Type.Object(
  {
    client_id: Type.String({ description: 'The id of the application.' }),
    client_name: Type.String({ description: 'The registered name of the application.' }),
    scope: Type.String({ description: 'The scopes that you consented to, separated by spaces.' }),
    granted_at: Type.String({ format: 'date-time', description: 'Time of your latest consent, in UTC.' }),
  },
  {
    $id: 'App',
    description: 'A third-party application that you allowed to use your account.',
    examples: [
      { client_id: 'shop', client_name: 'The Shop', scope: 'openid profile', granted_at: '2026-11-20T09:00:00.000Z' },
    ],
  },
)

const AppPage = Type.Object(
  { items: pageOf(App), next_cursor: nextCursor },
  {
    $id: 'AppPage',
    description: 'All applications that you consented to.',
    examples: [{ items: App.examples, next_cursor: null }],
  },
)

const AppParams = Type.Object({
  client_id: Type.String({ minLength: 1, maxLength: 128, description: 'The id of the client.' }),
})

/** The clients of third parties that the user has consented to. */
const routes: FastifyPluginAsyncTypebox = async (app) => {
  for (const schema of [App, AppPage]) app.addSchema(schema)

  app.get('/v1/me/apps', {
    schema: {
      operationId: 'listApps',
      tags: ['me'],
      summary: 'List the applications that you consented to',
      description:
        "Returns the third-party applications that you allowed to use your account. The operator's own " +
        'applications need no consent and are not listed.',
      response: { 200: ref(AppPage), ...problems(400, 401) },
    },
    handler: async ({ user }) => {
      const consents = await app.consents.list(user.userId)
      const items = consents.map(({ id, name, scope, grantedAt }) => ({
        client_id: id,
        client_name: name,
        scope,
        granted_at: timestamp(grantedAt),
      }))
      return { items, next_cursor: null }
    },
  })

  app.delete('/v1/me/apps/:client_id', {
    config: { rateLimit: 'account' },
    schema: {
      operationId: 'revokeApp',
      tags: ['me'],
      summary: 'Withdraw your consent to an application',
      description:
        'Withdraws your consent and ends the sessions of the application. The application must ask for your ' +
        'consent again.',
      params: AppParams,
      response: { 204: noContent('Withdrawn.'), ...problems(400, 401, 404, 413, 415, 429) },
    },
    handler: async (request, reply) => {
      await app.consents.revoke(request.user.userId, request.params.client_id, clientOf(request))
      return reply.code(204).send()
    },
  })
}

export default routes
