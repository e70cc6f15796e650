import * as OTPAuth from 'otpauth'

const STEP_MS = 30_000

/** The code of an authenticator app for this otpauth URI, now or some steps of 30 seconds later. */
export function codeOf(uri: string, stepsLater = 0): string {
  const totp = OTPAuth.URI.parse(uri) as OTPAuth.TOTP
  return totp.generate({ timestamp: Date.now() + stepsLater * STEP_MS })
}
