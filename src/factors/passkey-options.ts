import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { Tables } from '../database/database.js'

type Row = Tables['factors']['$inferSelect']

/** ES256, EdDSA and RS256, which authenticators use. The library's default depends on the version of Node. */
export const ALGORITHMS = [-7, -8, -257]
/** How long the browser waits for the user: a little less than a challenge is valid. */
const TIMEOUT_MS = 4 * 60_000

interface Question {
  rpId: string
  /** In base64url. */
  challenge: string
  /** The factors of the account, if it is known. */
  own: Row[]
}

interface NewPasskey extends Question {
  serviceName: string
  user: PublicKeyCredentialCreationOptionsJSON['user']
}

/** Options for `navigator.credentials.create`. A device that holds a passkey of `own` makes no second one. */
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

/** Options for `navigator.credentials.get`: any passkey of this service, or those of `own`. */
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
