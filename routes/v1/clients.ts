import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import {
  Client,
  ClientPage,
  ClientRegistration,
  ClientSecret,
  ClientUpdate,
  RegisteredClient,
  toClient,
} from '../../src/api/client-schemas.js'
import { DEFAULT_LIMIT, pageQuery } from '../../src/api/paging.js'
import { problemAnswer, problems } from '../../src/api/problem-schemas.js'
import { noContent, ref } from '../../src/api/schemas.js'
import { actorOf } from '../../src/audit/actors.js'
import { randomClientId, withDefaults } from '../../src/clients/registration.js'
import { publicPath } from '../../src/config/public-url.js'
import { Problem } from '../../src/problems.js'

const toRead = { role: 'admin' } as const
const toWrite = { ...toRead, recentLogin: true } as const

const ClientParams = Type.Object({
  id: Type.String({ maxLength: 64, description: 'The client_id.' }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { clients } = app
  const path = publicPath(app.config)
  for (const schema of [Client, RegisteredClient, ClientSecret, ClientRegistration, ClientUpdate, ClientPage]) {
    app.addSchema(schema)
  }

  app.get('/v1/clients', {
    config: toRead,
    schema: {
      operationId: 'listClients',
      tags: ['admin'],
      summary: 'List clients',
      description: 'Returns a page of OAuth clients, ordered by id.',
      querystring: Type.Object(pageQuery, { additionalProperties: false }),
      response: { 200: ref(ClientPage), ...problems(400, 401, 403) },
    },
    handler: async ({ query: { limit = DEFAULT_LIMIT, cursor } }) => {
      const rows = await clients.list(limit + 1, idBefore(cursor))
      const items = rows.slice(0, limit)
      const last = items.length < rows.length ? items.at(-1) : undefined
      return { items: items.map(toClient), next_cursor: last === undefined ? null : cursorAfter(last.id) }
    },
  })

  app.post('/v1/clients', {
    config: toWrite,
    schema: {
      operationId: 'createClient',
      tags: ['admin'],
      summary: 'Register a client',
      description:
        'Registers an OAuth client, for a service or an application. The fields are those of RFC 7591. The ' +
        'secret is shown only in this response. A `client_id` is never reused, even after the client is deleted.',
      body: ref(ClientRegistration),
      response: {
        201: {
          description: 'The client.',
          headers: { Location: Type.String({ description: 'The URL of the client.' }) },
          content: { 'application/json': { schema: ref(RegisteredClient) } },
        },
        ...problems(400, 401, 403, 413, 415),
        409: problemAnswer(409, 'client_id_taken'),
      },
    },
    handler: async (request, reply) => {
      const { client_id = randomClientId(), ...registration } = request.body
      const { client, secret } = await clients.create(client_id, withDefaults(registration), actorOf(request))
      return reply
        .code(201)
        .header('location', `${path}/v1/clients/${client.id}`)
        .send({ ...toClient(client), ...(secret !== undefined && { client_secret: secret }) })
    },
  })

  app.get('/v1/clients/:id', {
    config: toRead,
    schema: {
      operationId: 'getClient',
      tags: ['admin'],
      summary: 'Get a client',
      description: 'Returns one client, without its secrets.',
      params: ClientParams,
      response: { 200: ref(Client), ...problems(400, 401, 403, 404) },
    },
    handler: async ({ params }) => toClient(await clients.get(params.id)),
  })

  app.patch('/v1/clients/:id', {
    config: toWrite,
    schema: {
      operationId: 'updateClient',
      tags: ['admin'],
      summary: 'Change or disable a client',
      description:
        'Changes the given fields. A disabled client cannot get tokens, and its existing tokens are rejected ' +
        'within a second. New tokens do not contain a removed scope.',
      params: ClientParams,
      body: ref(ClientUpdate),
      response: { 200: ref(Client), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request) => toClient(await clients.update(request.params.id, request.body, actorOf(request))),
  })

  app.delete('/v1/clients/:id', {
    config: toWrite,
    schema: {
      operationId: 'deleteClient',
      tags: ['admin'],
      summary: 'Delete a client',
      description: 'Deletes the client and revokes its tokens. The `client_id` is never reused.',
      params: ClientParams,
      response: { 204: noContent('Deleted.'), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      await clients.delete(request.params.id, actorOf(request))
      return reply.code(204).send()
    },
  })

  app.post('/v1/clients/:id/secrets', {
    config: toWrite,
    schema: {
      operationId: 'addClientSecret',
      tags: ['admin'],
      summary: 'Add a secret to a client',
      description:
        'Adds a second secret, to begin a rotation. The new secret is shown only in this response. The older ' +
        'secret stays valid until `endClientSecret` is called.',
      params: ClientParams,
      response: {
        201: { description: 'The new secret.', content: { 'application/json': { schema: ref(ClientSecret) } } },
        ...problems(400, 401, 403, 404, 413, 415),
        409: problemAnswer(409, 'too_many_secrets'),
      },
    },
    handler: async (request, reply) => {
      const { client, secret } = await clients.addSecret(request.params.id, actorOf(request))
      return reply.code(201).send({ client_id: client.id, client_secret: secret })
    },
  })

  app.delete('/v1/clients/:id/secrets', {
    config: toWrite,
    schema: {
      operationId: 'endClientSecret',
      tags: ['admin'],
      summary: 'Revoke the older secret of a client',
      description:
        'Revokes the older of two secrets, to complete a rotation. If the client has only one secret, nothing ' +
        'changes.',
      params: ClientParams,
      response: { 204: noContent('Only one secret is valid now.'), ...problems(400, 401, 403, 404, 413, 415) },
    },
    handler: async (request, reply) => {
      await clients.endOlderSecret(request.params.id, actorOf(request))
      return reply.code(204).send()
    },
  })
}

export default routes

function cursorAfter(id: string): string {
  return Buffer.from(`clients:${id}`).toString('base64url')
}

function idBefore(cursor: string | undefined): string {
  if (cursor === undefined) return ''
  const id = /^clients:([\w-]+)$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]
  if (id === undefined) throw new Problem('invalid_cursor')
  return id
}
