import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import type { ShownCode, ShownFactor } from '../factors/factors.js'
import { Problem } from '../problems.js'

/** The second factor in a body: one field for each method. */
interface FactorFields {
  totp?: string
  recovery_code?: string
  passkey?: AuthenticationResponseJSON
}

/** The code besides the password. Empty fields, which forms send, count as missing. */
export function codeIn({ totp, recovery_code: recoveryCode }: Omit<FactorFields, 'passkey'>): ShownCode | undefined {
  if (totp) return { totp }
  return recoveryCode ? { recoveryCode } : undefined
}

/** The only second factor of a request. @throws Problem validation_failed if there is none, or more than one */
export function factorIn({ totp, recovery_code: recoveryCode, passkey }: FactorFields): ShownFactor {
  const shown: (ShownFactor | undefined)[] = [
    totp === undefined ? undefined : { totp },
    recoveryCode === undefined ? undefined : { recoveryCode },
    passkey === undefined ? undefined : { passkey },
  ]
  const [factor, ...others] = shown.filter((one) => one !== undefined)
  if (factor !== undefined && others.length === 0) return factor
  const message =
    factor === undefined
      ? 'is required, unless recovery_code or passkey is given'
      : 'must not be given beside another factor'
  throw new Problem('validation_failed', { errors: [{ in: 'body', path: '/totp', message }] })
}
