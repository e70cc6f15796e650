import type { RegistrationResponseJSON, VerifyRegistrationResponseOpts } from '@simplewebauthn/server'

/** Verifies the result of `navigator.credentials.create`. Throws errors of all kinds for invalid input. */
export async function verifyCreated({ response, ...expected }: VerifyRegistrationResponseOpts) {
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server')
  const { registrationInfo } = await verifyRegistrationResponse({
    ...expected,
    response: await withoutAttestation(response),
  })
  if (registrationInfo === undefined) throw new Error('it is not verified')
  // The signed id may have any length, and PostgreSQL cannot index a long one.
  if (registrationInfo.credential.id !== response.id) throw new Error('its id is not that of its data')
  return registrationInfo
}

/**
 * The response without its attestation statement, for which the options do not ask. The library would verify the
 * certificates of a statement, which takes a second for forty of them, and would fetch the revocation lists that they
 * name, from any URL.
 */
async function withoutAttestation(response: RegistrationResponseJSON): Promise<RegistrationResponseJSON> {
  const { decodeAttestationObject, isoBase64URL, isoCBOR } = await import('@simplewebauthn/server/helpers')
  const attested = decodeAttestationObject(isoBase64URL.toBuffer(response.response.attestationObject))
  const fields = { fmt: 'none', attStmt: new Map(), authData: attested.get('authData') }
  const none = isoBase64URL.fromBuffer(isoCBOR.encode(new Map(Object.entries(fields))))
  return { ...response, response: { ...response.response, attestationObject: none } }
}
