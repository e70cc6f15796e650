import { createHash } from 'node:crypto'

// RFC 7636. `plain` is not taken: whoever reads the request could redeem the code.
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/

/** Whether this is a challenge of the method S256. */
export function isChallenge(text: string): boolean {
  return CHALLENGE.test(text)
}

/** Whether the verifier is the one that the challenge was made of. */
export function isVerifierOf(verifier: string, challenge: string): boolean {
  return VERIFIER.test(verifier) && createHash('sha256').update(verifier).digest('base64url') === challenge
}
