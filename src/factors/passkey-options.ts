import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { Tables } from '../database/database.js'

type Row = Tables['factors']['$inferSelect']

/** ES256, EdDSA and RS256: what authenticators have. The library's own choice depends on the version of Node. */
export const ALGORITHMS = [-7, -8, -257]
/** For how long the browser asks: a little less than the challenge is good for. */
const TIMEOUT_MS = 4 * 60_000

interface Question {
  rpId: string
  /** In base64url. */
  challenge: string
  /** The factors of the account, where it is known. */
  own: Row[]
}

interface NewPasskey extends Question {
  serviceName: string
  user: PublicKeyCredentialCreationOptionsJSON['user']
}

/** What `navigator.credentials.create` takes. A device that has one of the passkeys of `own` makes no other. */
export function creationOptions({
  rpId,
  challenge,
  own,
  serviceName,
  user,
}: NewPasskey): PublicKeyCredentialCreationOptionsJSON {
  return {
    rp: { id: rpId, name: serviceName },
    user,
    challenge,
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ alg, type: 'public-key' })),
    timeout: TIMEOUT_MS,
    attestation: 'none',
    excludeCredentials: own.flatMap(descriptorOf),
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
  }
}

/** What `navigator.credentials.get` takes: any passkey of this service, or one of `own`. */
export function requestOptions({ rpId, challenge, own }: Question): PublicKeyCredentialRequestOptionsJSON {
  return {
    rpId,
    challenge,
    timeout: TIMEOUT_MS,
    userVerification: 'required',
    ...(own.length > 0 && { allowCredentials: own.flatMap(descriptorOf) }),
  }
}

function descriptorOf({ credentialId, transports }: Row) {
  if (credentialId === null) return []
  const known = (transports ?? '').split(' ').filter((word) => word !== '')
  type Transports = NonNullable<RegistrationResponseJSON['response']['transports']>
  return [
    { id: credentialId, type: 'public-key' as const, ...(known.length > 0 && { transports: known as Transports }) },
  ]
}
