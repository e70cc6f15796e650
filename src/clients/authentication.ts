import { createHash, timingSafeEqual } from 'node:crypto'
import { OAuthError } from '../oauth-error.js'
import type { ClientAssertions } from './assertions.js'
import type { KnownClients } from './known-clients.js'
import type { OAuthClient } from './oauth-clients.js'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i
/** Compared where there is no secret, so that it takes as long. */
const NO_SECRET = Buffer.alloc(32)

/** What a request says of its client: the Authorization header, and the fields of the form. */
export interface Presented {
  authorization: string | undefined
  body: Partial<Record<'client_id' | 'client_secret' | 'client_assertion' | 'client_assertion_type', string>>
}

/** What a request presents, by one method alone. */
type Credentials =
  | { method: 'secret'; id: string; secret: string }
  | { method: 'assertion'; id: string; assertion: string }
  | { method: 'none'; id: string }

/** Proves who a client is, RFC 6749 section 2.3: by a secret, a signed assertion, or, as a public client, by nothing. */
export class ClientAuthentication {
  readonly #known: KnownClients
  readonly #assertions: ClientAssertions

  constructor(known: KnownClients, assertions: ClientAssertions) {
    this.#known = known
    this.#assertions = assertions
  }

  /** Whether a request presents anything that a guess could be: a secret, or an assertion. */
  isProof({ authorization, body }: Presented): boolean {
    return credentialsIn(authorization) !== undefined || Boolean(body.client_secret || body.client_assertion)
  }

  /** The client that a request names and proves to be. @throws OAuthError invalid_client, invalid_request */
  async require(presented: Presented): Promise<OAuthClient> {
    const credentials = this.#read(presented)
    const client = credentials && (await this.#prove(credentials))
    if (client === undefined) throw refusal(presented)
    return client
  }

  /**
   * As `require`; undefined where the request proves nothing and names no client that is known here: as long as there were
   * no clients, `client_id` was ignored.
   */
  async find(presented: Presented): Promise<OAuthClient | undefined> {
    const { client_id: id } = presented.body
    if (!this.isProof(presented) && (!id || this.#known.find(id) === undefined)) return undefined
    return this.require(presented)
  }

  #read({ authorization, body }: Presented): Credentials | undefined {
    const { client_id: named, client_secret: secret, client_assertion: assertion } = body
    const basic = credentialsIn(authorization)
    if ([basic, secret, assertion].filter(Boolean).length > 1) {
      throw new OAuthError('invalid_request', 'The client must authenticate in one way alone.')
    }
    const claimed = assertion ? this.#assertions.claimedBy(assertion) : basic?.id
    const id = claimed ?? named
    if (named && named !== id) throw new OAuthError('invalid_request', 'client_id is not that of the credentials.')
    if (!id) return undefined
    if (basic) return { method: 'secret', ...basic }
    if (secret) return { method: 'secret', id, secret }
    if (!assertion) return { method: 'none', id }
    return body.client_assertion_type === ASSERTION_TYPE ? { method: 'assertion', id, assertion } : undefined
  }

  /** The client, if it is active and the credentials are right. A secret is taken by Basic and in the body alike. */
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

/** Takes as long for a right secret as for a wrong one, and for a client that has none. */
function isSecretOf(client: OAuthClient | undefined, secret: string): boolean {
  const hash = createHash('sha256').update(secret).digest()
  const [newest = NO_SECRET, older = NO_SECRET] = client?.secretHashes ?? []
  const isNewest = timingSafeEqual(hash, newest)
  return timingSafeEqual(hash, older) || isNewest
}

/**
 * The id and the secret of a Basic header, split at the first colon and form-decoded (RFC 6749, 2.3.1); our ids and secrets
 * hold nothing that differs where a client does not encode them. Undefined for a header without a secret, as Swagger UI sends.
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

/** RFC 6749 section 5.2: the challenge is for a client that used the header; others could not read the error for it. */
function refusal({ authorization }: Presented): OAuthError {
  const isBasic = /^basic /i.test(authorization ?? '')
  return new OAuthError('invalid_client', 'The client is not known, is disabled, or did not prove who it is.', {
    status: 401,
    ...(isBasic && { headers: { 'www-authenticate': 'Basic realm="latchkey"' } }),
  })
}
