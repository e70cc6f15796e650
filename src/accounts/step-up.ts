import type { AuthenticationResponseJSON } from '@simplewebauthn/server'
import type { Client } from '../audit/requester.js'
import { type ShownFactor, wrongFactor } from '../factors/factors.js'
import { Problem } from '../problems.js'
import type { FreshTokens } from '../sessions/fresh-tokens.js'
import type { AccessToken } from '../sessions/token-pairs.js'
import { isRecent, type UserCaller } from '../tokens/access-tokens.js'
import type { Accounts } from './accounts.js'
import type { FactorChecks } from './factor-checks.js'
import type { LoggedIn, LogIn } from './log-in.js'
import type { User } from './user-rows.js'

/** One of the proofs by which users authenticate again. */
interface Proof {
  current_password?: string | undefined
  totp?: string | undefined
  recovery_code?: string | undefined
  passkey?: AuthenticationResponseJSON | undefined
}

/** A right proof: its user, and its methods as in RFC 8176, separated by spaces. */
interface Proved {
  user: LoggedIn
  amr: string
}

interface Dependencies {
  accounts: Accounts
  logIn: LogIn
  factorChecks: FactorChecks
  freshTokens: FreshTokens
}

/** Authenticates the user of a session again, before a change to how the user logs in. */
export class StepUp {
  readonly #accounts: Accounts
  readonly #logIn: LogIn
  readonly #factorChecks: FactorChecks
  readonly #freshTokens: FreshTokens

  constructor({ accounts, logIn, factorChecks, freshTokens }: Dependencies) {
    this.#accounts = accounts
    this.#logIn = logIn
    this.#factorChecks = factorChecks
    this.#freshTokens = freshTokens
  }

  /**
   * An access token with a new auth_time. An account with a second factor needs that factor.
   * @throws Problem mfa_required, wrong_code, wrong_password, invalid_token, too_many_attempts
   */
  async reauthenticate(caller: UserCaller, proof: Proof, client: Client): Promise<AccessToken> {
    const { user, amr } = await this.#prove(caller, proof, client)
    return this.#freshTokens.issue(caller, user, amr, client)
  }

  /**
   * The user of a session, before a page asks for the current password. A missing second factor is asked for before the
   * form is filled in, not after.
   * @throws Problem reauthentication_required, not_found
   */
  async begin(caller: UserCaller): Promise<User> {
    await this.#assertFactorIsRecent(caller)
    return this.#accounts.get(caller.userId)
  }

  /**
   * The user of a session, who shows the current password before a change to the log-in. A user with a second factor
   * must have shown it recently as well.
   * @throws Problem validation_failed, reauthentication_required, wrong_password, invalid_token, too_many_attempts
   */
  async confirm(caller: UserCaller, password: string | undefined, client: Client): Promise<User> {
    if (password === undefined) throw passwordRequired()
    await this.#assertFactorIsRecent(caller)
    return this.#logIn.confirm(caller, password, client)
  }

  /** A user with a second factor must have shown it recently. */
  async #assertFactorIsRecent(caller: UserCaller): Promise<void> {
    const needsProof = !isRecent(caller) && (await this.#factorChecks.methodsOf(caller.userId)).length > 0
    if (needsProof) throw new Problem('reauthentication_required')
  }

  /** Verifies the proof, by the field of the request that holds it. */
  async #prove(caller: UserCaller, proof: Proof, client: Client): Promise<Proved> {
    const { current_password: password, totp, recovery_code: recoveryCode, passkey } = proof
    if (passkey !== undefined) return this.#proveFactor(caller, { passkey }, client)
    if (totp !== undefined) return this.#proveFactor(caller, { totp }, client)
    if (recoveryCode !== undefined) return this.#proveFactor(caller, { recoveryCode }, client)
    if (password === undefined) throw passwordRequired()
    const methods = await this.#factorChecks.methodsOf(caller.userId)
    if (methods.length > 0) throw new Problem('mfa_required', { extension: { methods } })
    return { user: await this.#logIn.confirm(caller, password, client), amr: 'pwd' }
  }

  async #proveFactor({ userId, sessionId }: UserCaller, shown: ShownFactor, client: Client): Promise<Proved> {
    const user = await this.#accounts.find(userId)
    if (user === undefined) throw new Problem('invalid_token')
    const used = await this.#factorChecks.check(user, shown, { client, owner: user, name: '', sessionId })
    if (used === undefined) throw wrongFactor(shown)
    return { user: { ...user, ...used }, amr: used.amr }
  }
}

function passwordRequired(): Problem {
  return new Problem('validation_failed', {
    errors: [{ in: 'body', path: '/current_password', message: 'is required' }],
  })
}
