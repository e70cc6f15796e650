import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
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
import { clientOf } from '../../src/audit/requester.js'
import { randomClientId, withDefaults } from '../../src/clients/registration.js'
import { Problem } from '../../src/problems.js'

const toRead = { role: 'admin' } as const
const toWrite = { ...toRead, recentLogin: true } as const

const ClientParams = Type.Object({
  id: Type.String({ maxLength: 64, description: 'The client_id.' }),
})

const routes: FastifyPluginAsyncTypebox = async (app) => {
  const { clients } = app
  for (const schema of [Client, RegisteredClient, ClientSecret, ClientRegistration, ClientUpdate, ClientPage]) {
    app.addSchema(schema)
  }

  app.get('/v1/clients', {
    config: toRead,
    schema: {
      operationId: 'listClients',
      tags: ['admin'],
      summary: 'List clients',
      description: 'A page of OAuth clients, in the order of their ids.',
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
        'An identity for a service or an application, in the names of RFC 7591. The secret is in this answer and nowhere ' +
        'else. A client_id is given out once, also where the client is deleted later.',
      body: ref(ClientRegistration),
      response: {
        201: { description: 'The client.', content: { 'application/json': { schema: ref(RegisteredClient) } } },
        ...problems(400, 401, 403, 413, 415),
        409: problemAnswer(409, 'client_id_taken'),
      },
    },
    handler: async (request, reply) => {
      const { client_id = randomClientId(), ...registration } = request.body
      const { client, secret } = await clients.create(client_id, withDefaults(registration), actorOf(request))
      return reply.code(201).send({ ...toClient(client), ...(secret !== undefined && { client_secret: secret }) })
    },
  })

  app.get('/v1/clients/:id', {
    config: toRead,
    schema: {
      operationId: 'getClient',
      tags: ['admin'],
      summary: 'Get a client',
      description: 'One client, without its secrets.',
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
        'Changes the fields that are sent. A disabled client gets no tokens, and those that it has are refused within a ' +
        'second. A scope that is taken away is in no new token.',
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
      description: 'Deletes the client and ends its tokens. Nobody gets its client_id again.',
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
        'The first half of a rotation: the new secret is shown only here, and the one before stays valid beside it until ' +
        'endClientSecret.',
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
      summary: 'End the older secret of a client',
      description: 'The second half of a rotation: of two secrets the newer one stays. One alone stays as it is.',
      params: ClientParams,
      response: { 204: noContent('One secret is valid.'), ...problems(400, 401, 403, 404, 413, 415) },
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

function actorOf(request: FastifyRequest) {
  return { id: request.user.userId, client: clientOf(request) }
}
