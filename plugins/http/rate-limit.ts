import type { FastifyReply, FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { clientOf, endpointOf } from '../../src/audit/requester.js'
import { type Allowance, type Budget, RateLimit } from '../../src/http/rate-limit.js'
import { addressOfClient, networksOf } from '../../src/networks.js'
import { Problem } from '../../src/problems.js'
import type { RefreshClaims } from '../../src/tokens/refresh-tokens.js'

/**
 * The budget that a route uses, RATE_LIMIT requests a minute each.
 * `network`: the budget of the client network, shared by all public routes that take credentials, so that an attacker
 * cannot guess at several endpoints in turn.
 * `account`: the budget of the account whose access token was sent.
 * `refresh`: an authentic refresh token uses the budget of its session, because users behind one address refresh at the
 * same time and the token cannot be guessed. A forged refresh token uses a separate budget of its network. Other grants
 * use `network`, or no budget here if they present client credentials: plugins/oauth.ts counts failed authentication,
 * and routes/v1/token.ts counts the rest.
 */
type Limited = 'network' | 'account' | 'refresh'

/** An authenticated client has this many times the budget of a network, because all its replicas share the budget. */
const CLIENT_SHARE = 100

declare module 'fastify' {
  interface FastifyInstance {
    /** Uses one request of a budget. Returns the problem to answer if the budget is used up. */
    budgets: {
      /** The budget of the client network, for failed requests. */
      network(request: FastifyRequest): Problem | undefined
      /** The budget of an OAuth client, for successful requests. */
      client(clientId: string): Problem | undefined
    }
  }
  interface FastifyRequest {
    /** The claims of an authentic refresh token in the body, if the rate limit has read the token. */
    refreshClaims: RefreshClaims | undefined
  }
  interface FastifyContextConfig {
    rateLimit?: Limited
  }
}

/** Enforces RATE_LIMIT, counted per process, on the routes whose config names a budget. */
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
      // A refresh token is in the body. All other routes are refused before the body is read.
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
          const event = { type: 'requests.limited', userId, reason: endpointOf(request) } as const
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
