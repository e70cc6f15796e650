import { createHash } from 'node:crypto'

// RFC 7636. `plain` is not taken: whoever reads the request could redeem the code.
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/

/** Whether this is a challenge of the method S256. */
export function isChallenge(text = ''): boolean {
  return CHALLENGE.test(text)
}

/**
 * Whether the verifier is the one that the challenge was made of. Without a challenge there is none: a client that sends a verifier
 * asked with a challenge, and whoever took that off has swapped the code (RFC 9700 section 4.8).
 */
export function isVerifierOf(verifier: string | undefined, challenge: string | undefined): boolean {
  if (verifier === undefined || challenge === undefined) return verifier === challenge
  return VERIFIER.test(verifier) && createHash('sha256').update(verifier).digest('base64url') === challenge
}
