import { createHash } from 'node:crypto'

// RFC 7636. The method `plain` is refused: an attacker who reads the authorization request could redeem the code.
const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/

/** Whether the text is a challenge of the method S256. */
export function isChallenge(text = ''): boolean {
  return CHALLENGE.test(text)
}

/**
 * Whether the verifier matches the challenge. A verifier without a challenge is refused: the client sent a challenge,
 * so an attacker has removed the challenge or swapped the code (RFC 9700 section 4.8).
 */
export function isVerifierOf(verifier: string | undefined, challenge: string | undefined): boolean {
  if (verifier === undefined || challenge === undefined) return verifier === challenge
  return VERIFIER.test(verifier) && createHash('sha256').update(verifier).digest('base64url') === challenge
}
