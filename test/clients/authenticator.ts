import * as OTPAuth from 'otpauth'

const STEP_MS = 30_000

/** What an authenticator app shows for the address of a secret: now, or some steps of 30 seconds later. */
export function codeOf(uri: string, stepsLater = 0): string {
  const totp = OTPAuth.URI.parse(uri) as OTPAuth.TOTP
  return totp.generate({ timestamp: Date.now() + stepsLater * STEP_MS })
}
