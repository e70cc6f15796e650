import type { ShownFactor } from '../factors/factors.js'
import { Problem } from '../problems.js'

/** The one second factor of a request that needs one. @throws Problem validation_failed when there is none, or two */
export function factorIn({
  totp,
  recovery_code: recoveryCode,
}: {
  totp?: string
  recovery_code?: string
}): ShownFactor {
  if (totp !== undefined && recoveryCode === undefined) return { totp }
  if (recoveryCode !== undefined && totp === undefined) return { recoveryCode }
  const message =
    totp === undefined ? 'is required, unless recovery_code is given' : 'must not be given beside recovery_code'
  throw new Problem('validation_failed', { errors: [{ in: 'body', path: '/totp', message }] })
}
