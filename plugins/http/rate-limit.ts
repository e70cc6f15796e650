import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { clientOf, doorOf } from '../../src/audit/requester.js'
import { type Allowance, type Budget, RateLimit } from '../../src/http/rate-limit.js'
import { addressOfClient, networksOf } from '../../src/networks.js'
import { Problem } from '../../src/problems.js'
import type { RefreshClaims } from '../../src/tokens/refresh-tokens.js'

/**
 * Whose budget of RATE_LIMIT requests a minute a route takes from. `network`: the one of the client's network, common to
 * all public routes that take credentials, so that a guesser cannot go from door to door. `account`: that of the account
 * whose access token was sent. `refresh`: a refresh token that is authentic takes from its session's, because people
 * behind one address refresh at the same time and nothing can be guessed; one that is not, from a budget that its network
 * has for those; what is no refresh grant, as `network`. A request that proves its OAuth client takes from nothing here:
 * plugins/oauth.ts counts it, when it is known whether the proof is good.
 */
type Limited = 'network' | 'account' | 'refresh'

/** How many times the budget of a network a client has that proves who it is: its own replicas share it. */
const CLIENT_SHARE = 100

declare module 'fastify' {
  interface FastifyInstance {
    /** Takes a request from a budget by hand: the problem to answer when it is used up. */
    budgets: {
      /** That of the client's network, for what has failed. */
      network(request: FastifyRequest): Problem | undefined
      /** That of an OAuth client, for what has succeeded. */
      client(clientId: string): Problem | undefined
    }
  }
  interface FastifyRequest {
    /** What the refresh token in the body says, where it was read for the sake of its budget and is authentic. */
    refreshClaims: RefreshClaims | undefined
  }
  interface FastifyContextConfig {
    rateLimit?: Limited
  }
}

/** RATE_LIMIT, counted by this process, on the routes whose config says whose budget it is. */
export default plugin(
  async (app) => {
    app.decorateRequest('refreshClaims')
    const max = app.config.RATE_LIMIT
    const unlimited = () => undefined
    if (max === undefined) return void app.decorate('budgets', { network: unlimited, client: unlimited })
    const limit = new RateLimit()
    const ofNetwork = (request: FastifyRequest, purpose = '') =>
      networksOf(addressOfClient(request)).map(({ key, share }) => ({ key: purpose + key, max: max * share }))
    const budgetsOf: Record<Limited, (request: FastifyRequest) => Budget[]> = {
      network: (request) => ofNetwork(request),
      account: ({ user }) => [{ key: `account:${user.userId}`, max }],
      refresh: (request) => {
        const { grant_type: grant = 'refresh_token', refresh_token: token } = request.body as Record<string, string>
        const isClient = app.oauth.isProof(request)
        if (grant !== 'refresh_token' || !token) return isClient ? [] : ofNetwork(request)
        const claims = app.rotation.authenticate(token)
        request.refreshClaims = claims
        return claims ? [{ key: `session:${claims.sessionId}`, max }] : ofNetwork(request, 'refresh:')
      },
    }

    app.decorate('budgets', {
      network: (request) => problemOf(limit.take(ofNetwork(request))),
      client: (id) => problemOf(limit.take([{ key: `client:${id}`, max: max * CLIENT_SHARE }])),
    })

    app.addHook('onRoute', (route) => {
      const limited = route.config?.rateLimit
      if (limited === undefined) return
      // A refresh token is in the body; everything else is refused before the body is read.
      const hook = limited === 'refresh' ? 'preHandler' : 'onRequest'
      const budgets = budgetsOf[limited]
      const others = route[hook] ?? []
      route[hook] = [
        ...(Array.isArray(others) ? others : [others]),
        (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
          const taken = budgets(request)
          if (taken.length === 0) return done()
          const allowance = limit.take(taken)
          const { isRefused, resetS, key, ...left } = allowance
          reply.headers({
            'x-ratelimit-limit': left.max,
            'x-ratelimit-remaining': left.remaining,
            'x-ratelimit-reset': resetS,
          })
          if (!isRefused) return done()
          const userId = limited === 'account' ? request.user.userId : null
          const event = { type: 'requests.limited', userId, reason: doorOf(request) } as const
          app.refusals.note(key, event, clientOf(request))
          done(problemOf(allowance))
        },
      ]
    })
  },
  { name: 'rate-limit' },
)

function problemOf({ isRefused, max, resetS }: Allowance): Problem | undefined {
  if (!isRefused) return undefined
  const detail = `At most ${max} a minute, by RATE_LIMIT.`
  return new Problem('rate_limited', { detail, headers: { 'retry-after': String(resetS) } })
}
