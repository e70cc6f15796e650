import { createHash, timingSafeEqual } from 'node:crypto'
import { OAuthError } from '../oauth-error.js'
import type { ClientAssertions } from './assertions.js'
import type { KnownClients } from './known-clients.js'
import type { OAuthClient } from './oauth-clients.js'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i
/** Compared if there is no secret, so that the time is the same. */
const NO_SECRET = Buffer.alloc(32)

/** The client authentication of a request: the Authorization header, and the fields of the form. */
export interface Presented {
  authorization: string | undefined
  body: Partial<Record<'client_id' | 'client_secret' | 'client_assertion' | 'client_assertion_type', string>>
}

/** The credentials of a request, by exactly one method. */
type Credentials =
  | { method: 'secret'; id: string; secret: string }
  | { method: 'assertion'; id: string; assertion: string }
  | { method: 'none'; id: string }

/** Authenticates clients, RFC 6749 section 2.3: by a secret or a signed assertion; public clients by their id alone. */
export class ClientAuthentication {
  readonly #known: KnownClients
  readonly #assertions: ClientAssertions

  constructor(known: KnownClients, assertions: ClientAssertions) {
    this.#known = known
    this.#assertions = assertions
  }

  /** Whether a request contains a secret or an assertion, which an attacker could guess. */
  isProof({ authorization, body }: Presented): boolean {
    return credentialsIn(authorization) !== undefined || Boolean(body.client_secret || body.client_assertion)
  }

  /** The client_id that a request claims, not verified. */
  claimedBy({ authorization, body }: Presented): string | undefined {
    const { client_id: named, client_assertion: assertion } = body
    return (assertion ? this.#assertions.claimedBy(assertion) : credentialsIn(authorization)?.id) ?? named
  }

  /** The authenticated client of a request. @throws OAuthError invalid_client, invalid_request */
  async require(presented: Presented): Promise<OAuthClient> {
    const credentials = this.#read(presented)
    const client = credentials && (await this.#prove(credentials))
    if (client === undefined) throw refusal(presented)
    return client
  }

  /**
   * As `require`, but undefined if the request has no credentials and no client_id of a known client: before there were
   * clients, `client_id` was ignored.
   */
  async find(presented: Presented): Promise<OAuthClient | undefined> {
    const { client_id: id } = presented.body
    if (!this.isProof(presented) && (!id || this.#known.find(id) === undefined)) return undefined
    return this.require(presented)
  }

  #read(presented: Presented): Credentials | undefined {
    const { authorization, body } = presented
    const { client_id: named, client_secret: secret, client_assertion: assertion } = body
    const basic = credentialsIn(authorization)
    if ([basic, secret, assertion].filter(Boolean).length > 1) {
      throw new OAuthError('invalid_request', 'The client must use only one authentication method.')
    }
    const id = this.claimedBy(presented)
    if (named && named !== id) throw new OAuthError('invalid_request', 'client_id does not match the credentials.')
    if (!id) return undefined
    if (basic) return { method: 'secret', ...basic }
    if (secret) return { method: 'secret', id, secret }
    if (!assertion) return { method: 'none', id }
    return body.client_assertion_type === ASSERTION_TYPE ? { method: 'assertion', id, assertion } : undefined
  }

  /**
   * The client, if active and if the credentials are right. Any client with a secret may send it by Basic or in the
   * body.
   */
  async #prove(credentials: Credentials): Promise<OAuthClient | undefined> {
    const client = await this.#known.lookUp(credentials.id)
    const isRight = await this.#isRight(client, credentials)
    return client?.isActive && isRight ? client : undefined
  }

  async #isRight(client: OAuthClient | undefined, credentials: Credentials): Promise<boolean> {
    if ('secret' in credentials) return isSecretOf(client, credentials.secret)
    if (credentials.method === 'none') return client?.authMethod === 'none'
    return client?.authMethod === 'private_key_jwt' && this.#assertions.take(client, credentials.assertion)
  }
}

/** Takes the same time for right and wrong secrets, and for clients without a secret. */
function isSecretOf(client: OAuthClient | undefined, secret: string): boolean {
  const hash = createHash('sha256').update(secret).digest()
  const [newest = NO_SECRET, older = NO_SECRET] = client?.secretHashes ?? []
  const isNewest = timingSafeEqual(hash, newest)
  return timingSafeEqual(hash, older) || isNewest
}

/**
 * The id and the secret of a Basic header, split at the first colon and form-decoded (RFC 6749, 2.3.1). Form-encoding
 * leaves our ids and secrets unchanged, so clients that skip it work too. Undefined for a header without a secret, as
 * Swagger UI sends.
 */
function credentialsIn(authorization: string | undefined): { id: string; secret: string } | undefined {
  const encoded = BASIC.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  const [id, secret] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)].map(formDecoded)
  return secret === '' ? undefined : { id: id ?? '', secret: secret ?? '' }
}

function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/**
 * RFC 6749 section 5.2 requires the challenge for clients that used the header. Others get none: a browser would show a
 * log-in dialog instead of the error.
 */
function refusal({ authorization }: Presented): OAuthError {
  const isBasic = /^basic /i.test(authorization ?? '')
  return new OAuthError('invalid_client', 'The client is unknown or disabled, or its authentication failed.', {
    status: 401,
    ...(isBasic && { headers: { 'www-authenticate': 'Basic realm="latchkey"' } }),
  })
}
