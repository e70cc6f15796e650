import type { FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { clientOf } from '../src/audit/requester.js'
import { ClientAssertions } from '../src/clients/assertions.js'
import { ClientAuthentication, type Presented } from '../src/clients/authentication.js'
import { ClientTokens } from '../src/clients/client-tokens.js'
import { Introspection } from '../src/clients/introspection.js'
import type { OAuthClient } from '../src/clients/oauth-clients.js'
import { TokenRevocations } from '../src/clients/token-revocations.js'
import { VerifiedTokens } from '../src/clients/verified-tokens.js'
import { OAuthError } from '../src/oauth-error.js'
import { clientRequests } from '../src/telemetry/channels.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Authenticates OAuth clients. A failure counts against the rate limit of the network. */
    oauth: {
      /** Whether a request contains a client secret or assertion. */
      isProof(request: FastifyRequest): boolean
      /** @throws OAuthError invalid_client, invalid_request, slow_down */
      requireClient(request: FastifyRequest): Promise<OAuthClient>
      /** Undefined if the request names no client. @throws OAuthError as `requireClient` */
      findClient(request: FastifyRequest): Promise<OAuthClient | undefined>
    }
    clientAssertions: ClientAssertions
    clientTokens: ClientTokens
    introspection: Introspection
    tokenRevocations: TokenRevocations
  }
}

/** Client authentication, client tokens, introspection and revocation. */
export default plugin(
  async (app) => {
    const { config, database, keys, knownClients, apiKeys, sessions, revocations, refusals } = app
    const assertions = new ClientAssertions(database, config)
    const authentication = new ClientAuthentication(knownClients, assertions)
    app.decorate('clientAssertions', assertions)
    app.decorate('clientTokens', new ClientTokens(config, keys))
    const tokens = new VerifiedTokens(config, keys)
    app.decorate(
      'introspection',
      new Introspection({ config, tokens, sessions, revocations, known: knownClients, apiKeys }),
    )
    const tokenRevocations = new TokenRevocations({ database, tokens, sessions, revocations })
    app.decorate('tokenRevocations', tokenRevocations)
    await tokenRevocations.poll()
    app.decorate('oauth', {
      isProof: (request: FastifyRequest) => authentication.isProof(presentedBy(request)),
      requireClient: (request: FastifyRequest) =>
        authentication.require(presentedBy(request)).catch((error) => refuse(error, request)),
      findClient: (request: FastifyRequest) =>
        authentication.find(presentedBy(request)).catch((error) => refuse(error, request)),
    })

    /** Counts a failure in the metrics, the audit log and the rate limit of the network. */
    function refuse(error: unknown, request: FastifyRequest): never {
      if (!(error instanceof OAuthError) || error.error !== 'invalid_client') throw error
      const named = authentication.claimedBy(presentedBy(request)) ?? ''
      // A made-up id is not recorded: it may be anything, such as a secret in the wrong field.
      const client = knownClients.find(named) === undefined ? '' : named
      clientRequests.publish({ client, request: 'refused' })
      const event = { type: 'client.refused', userId: null, ...(client && { reason: client }) } as const
      const origin = clientOf(request)
      refusals.note(`${origin.ip} ${client}`, event, origin)
      const limited = app.budgets.network(request)
      if (limited === undefined) throw error
      throw new OAuthError('slow_down', limited.message, { status: limited.status, headers: limited.headers })
    }
  },
  { name: 'oauth', dependencies: ['database', 'sessions', 'clients', 'api-keys', 'rate-limit'] },
)

function presentedBy({ headers, body }: FastifyRequest): Presented {
  return { authorization: headers.authorization, body: (body ?? {}) as Presented['body'] }
}
