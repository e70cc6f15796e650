import jwt from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import plugin from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { clientOf, doorOf } from '../src/audit/requester.js'
import { acceptedIssuers, compatAudience } from '../src/config/public-url.js'
import { PROBLEMS, Problem } from '../src/problems.js'
import { type Caller, callerFrom } from '../src/tokens/access-tokens.js'
import { ALGORITHM, COMPAT_TOKEN_TYPE, TOKEN_TYPE } from '../src/tokens/signing-keys.js'

/** How many verified tokens are kept; each takes about 1 KiB. */
const TOKENS_KEPT = 10_000
const BEARER = /^bearer [\w.~+/-]+=*$/i
const OTHER_SCHEME = /^(?!bearer\b)/i
const BEARER_NEEDED = "The Authorization header must be 'Bearer <token>'."
const FOREIGN_TOKEN = 'This is not an access token of this service; refresh tokens go to /v1/refresh.'
/** @fastify/jwt's code, and the end of fast-jwt's own. */
const EXPIRED = '_EXPIRED'
const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'exp', 'iat', 'jti']

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without a token. Everything else needs one. */
    public?: true
    /** Answers callers of this role alone. */
    role?: 'admin'
  }
  interface FastifyRequest {
    /**
     * Sets `user` to whoever the access token names, revoked or not.
     * @throws Problem missing_token, malformed_authorization, invalid_token
     */
    identify(): Promise<Caller>
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: Caller
  }
}

/** A token as it was sent, of which nothing is known yet. */
interface Token {
  header: Partial<Record<'alg' | 'typ' | 'kid' | 'crit', unknown>>
  payload: { aud?: unknown } | null
}

/** The guard: closed by default, it reads what the matched route says of itself and never the address. */
export default plugin(
  async (app) => {
    const { keys, revocations, config } = app
    const issuers = acceptedIssuers(config)
    const ofCompat = compatAudience(config.PUBLIC_URL)
    const accepted = { issuer: config.PUBLIC_URL, audience: config.AUDIENCE }
    // By the exact text of the header, emptied whenever a key comes or goes. Not fast-jwt's own cache: it hands out one object
    // that a handler could change, and the next request with that token would see it changed.
    const verified = new LRUCache<string, Caller>({ max: TOKENS_KEPT })
    let generation = keys.generation

    await app.register(jwt, {
      secret: { public: async (_request: FastifyRequest, token: unknown) => verifyingKey(token) },
      decode: { complete: true },
      verify: {
        algorithms: [ALGORITHM],
        allowedIss: issuers,
        allowedAud: [config.AUDIENCE, ...issuers, ofCompat],
        requiredClaims: REQUIRED_CLAIMS,
      },
    })

    app.decorateRequest('identify', async function identify(this: FastifyRequest) {
      const header = this.headers.authorization
      if (header === undefined) throw new Problem('missing_token')
      if (OTHER_SCHEME.test(header)) throw new Problem('missing_token', { detail: BEARER_NEEDED })
      if (!BEARER.test(header)) throw new Problem('malformed_authorization')
      const caller = recall(header) ?? (await verify(this, header))
      this.user = caller
      return caller
    })

    app.addHook('onRequest', (request, _reply, done) => {
      if (request.routeOptions.config.public || request.is404) return done()
      const caller = recall(request.headers.authorization)
      if (caller === undefined) {
        identify(request).then((identified) => done(refusal(identified, request)), done)
        return
      }
      request.user = caller
      done(refusal(caller, request))
    })

    /** An old token is looked at anew each time, for what is known of it may change with every request. */
    async function identify(request: FastifyRequest): Promise<Caller> {
      const { legacyTokens } = request.routeOptions.config
      const caller = legacyTokens && (await app.legacyTokens.identify(request.headers.authorization))
      if (caller === undefined) return request.identify()
      request.user = caller
      return caller
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
      try {
        const caller = callerFrom(await request.jwtVerify(), accepted)
        if (caller === undefined) throw new Error('The claims are not those of an access token')
        verified.set(header, caller)
        return caller
      } catch (cause) {
        // Whatever is wrong with a token, it is the token: never a 500, and no word about which check failed. The expiry is
        // looked at after the signature, so that only the holder of an authentic token learns of it.
        const isExpired = String((cause as { code?: unknown }).code).endsWith(EXPIRED)
        throw refusedToken(isExpired ? 'The access token has expired.' : FOREIGN_TOKEN, cause)
      }
    }

    /** The key of the token's `kid`; a header with anything unexpected has none. `jku`, `jwk` and `x5u` are never looked at. */
    function verifyingKey(token: unknown): string {
      const { header, payload } = token as Token
      const type = payload?.aud === ofCompat ? COMPAT_TOKEN_TYPE : TOKEN_TYPE
      const pem = keys.find(header.kid)
      const isOurs = header.alg === ALGORITHM && header.typ === type && header.crit === undefined
      if (pem === undefined || !isOurs) throw new Error('No key of ours signs tokens with such a header')
      return pem
    }

    /** What can change after a token was signed: asked in memory on every request. */
    function refusal(caller: Caller, request: FastifyRequest): Problem | undefined {
      if (revocations.has(caller.sessionId)) return refusedToken('The session of this access token has ended.')
      if (revocations.isStale()) return new Problem('revocations_stale')
      const { role } = request.routeOptions.config
      if (role !== undefined && role !== caller.role) {
        const { userId, sessionId } = caller
        const door = doorOf(request)
        app.refusals.note(
          `user:${userId} ${door}`,
          { type: 'access.refused', userId, sessionId, reason: door },
          clientOf(request),
        )
        return new Problem('insufficient_scope')
      }
      return undefined
    }
  },
  { name: 'authenticate', dependencies: ['sessions'] },
)

/** The 401 for a token, with the reason in the header as well: RFC 6750 section 3 allows no quotation marks in it. */
function refusedToken(detail: string, cause?: unknown): Problem {
  const challenge = `${PROBLEMS.invalid_token.headers['www-authenticate']}, error_description="${detail}"`
  return new Problem('invalid_token', { detail, cause, headers: { 'www-authenticate': challenge } })
}
