import jwt from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { clientOf, endpointOf } from '../src/audit/requester.js'
import { isApiKey } from '../src/clients/api-key-texts.js'
import type { OAuthClient } from '../src/clients/oauth-clients.js'
import { SCOPE_WORD_PATTERN } from '../src/clients/scopes.js'
import { acceptedIssuers, clientAudience, compatAudience } from '../src/config/public-url.js'
import { needsFactor } from '../src/database/factor-policy.js'
import { lacking, refusedToken } from '../src/http/token-refusals.js'
import { Problem } from '../src/problems.js'
import type { BrowserSession } from '../src/sessions/browser-sessions.js'
import { type Caller, CLIENT_ID, callerFrom, isRecent, type UserCaller } from '../src/tokens/access-tokens.js'
import { ALGORITHM, COMPAT_TOKEN_TYPE, TOKEN_TYPE } from '../src/tokens/signing-keys.js'

/** The size of the cache of verified tokens; each entry takes about 1 KiB. */
const TOKENS_KEPT = 10_000
const BEARER = /^bearer [\w.~+/-]+=*$/i
const SCHEME_LENGTH = 'bearer '.length
const OTHER_SCHEME = /^(?!bearer\b)/i
const BEARER_NEEDED = "The Authorization header must be 'Bearer <token>'."
const FOREIGN_TOKEN = 'This is not an access token of this service; refresh tokens go to /v1/refresh.'
const FOREIGN_KEY = 'The API key is not known, has expired or was revoked.'
/** The error code of @fastify/jwt, and the suffix of fast-jwt's own code. */
const EXPIRED = '_EXPIRED'
const FOR_ADMINS = { detail: 'Only admins may do this.' }
const FOR_USERS = { detail: 'This needs the access token of a user.' }
const SCOPE_WORD = new RegExp(SCOPE_WORD_PATTERN)
const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'exp', 'iat', 'jti']

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route needs no token. Every other route does. */
    public?: true
    /** Only users with this role and, if the route names a scope, clients that act for themselves. */
    role?: 'admin'
    /** Also accepts tokens of other clients with this scope. Without it, only tokens of Latchkey itself. */
    scope?: string
    /** Only users who logged in within the last five minutes. Does not apply to a client that acts for itself. */
    recentLogin?: true
    /** Accepts any token. A token with scopes must hold the scope in the query parameter `scope`. */
    verifies?: true
  }
  interface FastifyRequest {
    /** The authenticated sender. Only users reach a route without `role`, which uses `user` instead. */
    caller: Caller
    /**
     * Verifies the access token, even if revoked. Sets `caller`, and `user` for a user.
     * @throws Problem missing_token, malformed_authorization, invalid_token
     */
    identify(): Promise<Caller>
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: UserCaller
  }
}

/** A decoded token before verification. */
interface Token {
  header: Partial<Record<'alg' | 'typ' | 'kid' | 'crit', unknown>>
  payload: { aud?: unknown } | null
}

/**
 * Authenticates requests. Routes are protected by default. Reads the config of the route, never the attacker-controlled
 * URL.
 */
export default plugin(
  async (app) => {
    const { keys, revocations, config, apiKeys, knownClients } = app
    const issuers = acceptedIssuers(config)
    const ofCompat = compatAudience(config.PUBLIC_URL)
    const accepted = { issuer: config.PUBLIC_URL, audience: config.AUDIENCE }
    // Keyed by the exact header text, and cleared whenever the keys change. Not the cache of fast-jwt: it returns one
    // mutable object, so a change by a handler would leak into the next request with that token.
    const verified = new LRUCache<string, Caller>({ max: TOKENS_KEPT })
    let generation = keys.generation

    await app.register(jwt, {
      secret: { public: async (_request: FastifyRequest, token: unknown) => verifyingKey(token) },
      decode: { complete: true },
      decoratorName: 'claims',
      verify: {
        algorithms: [ALGORITHM],
        allowedIss: issuers,
        allowedAud: [config.AUDIENCE, ...issuers, ofCompat, clientAudience(config.PUBLIC_URL)],
        requiredClaims: REQUIRED_CLAIMS,
      },
    })

    app.decorateRequest('caller')
    app.decorateRequest('user')
    app.decorateRequest('identify', async function identify(this: FastifyRequest) {
      const header = this.headers.authorization
      if (header === undefined) throw new Problem('missing_token')
      if (OTHER_SCHEME.test(header)) throw new Problem('missing_token', { detail: BEARER_NEEDED })
      if (!BEARER.test(header)) throw new Problem('malformed_authorization')
      return admit(this, recall(header) ?? (await verify(this, header)))
    })

    app.addHook('onRequest', (request, _reply, done) => {
      const { public: isPublic, page, browser } = request.routeOptions.config
      if (isPublic || request.is404) return done()
      if (page || browser) {
        identifyBrowser(request).then((caller) => done(refusal(caller, request)), done)
        return
      }
      const caller = recall(request.headers.authorization)
      if (caller === undefined) {
        identify(request).then((identified) => done(refusal(identified, request)), done)
        return
      }
      done(refusal(admit(request, caller), request))
    })

    /** Legacy tokens are not cached, because the state of their user may change between requests. */
    async function identify(request: FastifyRequest): Promise<Caller> {
      const { legacyTokens } = request.routeOptions.config
      const caller = legacyTokens && (await app.legacyTokens.identify(request.headers.authorization))
      return caller === undefined ? request.identify() : admit(request, caller)
    }

    /** Pages accept no bearer token, and only pages with `browser` accept the cookie. */
    async function identifyBrowser(request: FastifyRequest): Promise<Caller> {
      const { browser } = request.routeOptions.config
      const session = browser && (await app.browserSessions.find(request.headers.cookie, clientOf(request)))
      if (!session) throw new Problem('missing_token')
      return admit(request, callerOf(session))
    }

    function recall(header: string | undefined): Caller | undefined {
      if (header === undefined) return undefined
      if (keys.generation !== generation) {
        verified.clear()
        generation = keys.generation
      }
      const caller = verified.get(header)
      return caller !== undefined && caller.expiresAt > Date.now() ? caller : undefined
    }

    async function verify(request: FastifyRequest, header: string): Promise<Caller> {
      const bearer = header.slice(SCHEME_LENGTH)
      if (isApiKey(bearer)) {
        const caller = await apiKeys.identify(bearer)
        if (caller === undefined) throw refusedToken(FOREIGN_KEY)
        verified.set(header, caller)
        return caller
      }
      try {
        const claims = await request.jwtVerify<{ aud?: unknown }>()
        const caller = callerFrom(claims, accepted)
        if (caller === undefined) throw new Error('The claims are not those of an access token')
        // A token of a tutorial endpoint lives for hours, so it may be older than the policy for second factors.
        const isOld = claims.aud === ofCompat && caller.kind === 'user' && !(await isUsable(caller))
        if (isOld) throw new Error('The account needs a second factor and has none')
        // Another process may have registered the client a moment ago.
        if (caller.clientId !== CLIENT_ID) await knownClients.lookUp(caller.clientId)
        verified.set(header, caller)
        return caller
      } catch (cause) {
        // Any invalid token is a 401, never a 500, and the response does not name the failed check. Expiry is checked
        // after the signature, so only the holder of an authentic token learns of it.
        const isExpired = String((cause as { code?: unknown }).code).endsWith(EXPIRED)
        throw refusedToken(isExpired ? 'The access token has expired.' : FOREIGN_TOKEN, cause)
      }
    }

    async function isUsable({ sessionId }: UserCaller): Promise<boolean> {
      // Tokens of tutorial endpoints carry no role, so the user may be an admin.
      return !needsFactor(config.MFA, 'admin') || app.sessions.isUsable(sessionId)
    }

    /** The public key named by `kid`. Throws for an unexpected header. `jku`, `jwk` and `x5u` are never read. */
    function verifyingKey(token: unknown): string {
      const { header, payload } = token as Token
      const type = payload?.aud === ofCompat ? COMPAT_TOKEN_TYPE : TOKEN_TYPE
      const pem = keys.find(header.kid)
      const isOurs = header.alg === ALGORITHM && header.typ === type && header.crit === undefined
      if (pem === undefined || !isOurs) throw new Error('No key of ours signs tokens with such a header')
      return pem
    }

    /** Checks revocation and client state (in memory, on every request), and the permissions of the token. */
    function refusal(caller: Caller, request: FastifyRequest): Problem | undefined {
      const id = caller.kind === 'user' ? caller.sessionId : caller.tokenId
      if (revocations.has(id)) return refusedToken('The session of this access token has ended.')
      if (revocations.isStale()) return new Problem('revocations_stale')
      const client = caller.clientId === CLIENT_ID ? undefined : knownClients.find(caller.clientId)
      if (caller.clientId !== CLIENT_ID && client?.isActive !== true) {
        return refusedToken('The client of this access token is disabled or deleted.')
      }
      const { role, verifies, recentLogin } = request.routeOptions.config
      const scope = verifies ? scopeAsked(request) : request.routeOptions.config.scope
      if (caller.kind === 'user' && caller.keyId !== undefined) apiKeys.noteUse(caller.keyId)
      if (caller.scopes !== undefined && !holds(caller.scopes, scope, client)) {
        note(caller, request, scope)
        return lacking(scope)
      }
      if (verifies) return undefined
      if (caller.kind === 'client') return role === undefined ? new Problem('insufficient_scope', FOR_USERS) : undefined
      if (role !== undefined && role !== caller.role) {
        note(caller, request)
        return new Problem('insufficient_scope', FOR_ADMINS)
      }
      if (recentLogin && !isRecent(caller)) return new Problem('reauthentication_required')
      return undefined
    }

    /** Records a refusal in the audit log, to reveal a caller who tries endpoints without permission. */
    function note(caller: Caller, request: FastifyRequest, scope?: string): void {
      const endpoint = endpointOf(request)
      const reason = scope === undefined ? endpoint : `${endpoint} needs ${scope}`
      const whom =
        caller.kind === 'user'
          ? { userId: caller.userId, sessionId: caller.sessionId }
          : { userId: null, actorClientId: caller.clientId }
      const id = caller.kind === 'user' ? `user:${caller.userId}` : `client:${caller.clientId}`
      app.refusals.note(`${id} ${endpoint}`, { type: 'access.refused', ...whom, reason }, clientOf(request))
    }
  },
  { name: 'authenticate', dependencies: ['sessions'] },
)

/** The caller of a browser session, with all permissions of its user. */
function callerOf({ id: sessionId, userId, role, authTime, expiresAt }: BrowserSession): UserCaller {
  return { kind: 'user', clientId: CLIENT_ID, scopes: undefined, expiresAt, userId, sessionId, role, authTime }
}

function admit(request: FastifyRequest, caller: Caller): Caller {
  request.caller = caller
  if (caller.kind === 'user') request.user = caller
  return caller
}

/** Whether the token holds the scope. A scope that the client has since lost does not count. */
function holds(held: readonly string[], scope: string | undefined, client: OAuthClient | undefined): boolean {
  return scope !== undefined && held.includes(scope) && client?.scopes.includes(scope) !== false
}

/** The scope in the query. Undefined unless there is exactly one valid scope. */
function scopeAsked({ query }: FastifyRequest): string | undefined {
  const { scope } = query as { scope?: unknown }
  return typeof scope === 'string' && SCOPE_WORD.test(scope) ? scope : undefined
}
