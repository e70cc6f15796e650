import type { Client } from '../audit/requester.js'
import { Problem } from '../problems.js'
import type { FreshTokens } from '../sessions/fresh-tokens.js'
import type { AccessToken } from '../sessions/token-pairs.js'
import { isRecent, type UserCaller } from '../tokens/access-tokens.js'
import type { Accounts } from './accounts.js'
import type { LogIn } from './log-in.js'
import type { User } from './user-rows.js'

/** What people may show to prove again who they are: one of these. */
export interface Proof {
  current_password?: string | undefined
}

/** A proof that was right: whose it was, and its methods in the words of RFC 8176 with a space between them. */
interface Proved {
  user: User
  amr: string
}

interface Dependencies {
  accounts: Accounts
  logIn: LogIn
  freshTokens: FreshTokens
}

/** Proving again who one is, before something that changes how one logs in. */
export class StepUp {
  readonly #accounts: Accounts
  readonly #logIn: LogIn
  readonly #freshTokens: FreshTokens

  constructor({ accounts, logIn, freshTokens }: Dependencies) {
    this.#accounts = accounts
    this.#logIn = logIn
    this.#freshTokens = freshTokens
  }

  /** An access token with a new auth_time. @throws Problem wrong_password, invalid_token, too_many_attempts */
  async reauthenticate(caller: UserCaller, proof: Proof, client: Client): Promise<AccessToken> {
    const { user, amr } = await this.#prove(caller, proof, client)
    return this.#freshTokens.issue(caller, user, amr, client)
  }

  /**
   * The user of a session, who shows the current password beside the request or has proved a moment ago who they are.
   * @throws Problem reauthentication_required, wrong_password, invalid_token, too_many_attempts
   */
  async confirm(caller: UserCaller, password: string | undefined, client: Client): Promise<User> {
    if (password !== undefined) return this.#logIn.confirm(caller, password, client)
    if (!isRecent(caller)) throw new Problem('reauthentication_required')
    const user = await this.#accounts.find(caller.userId)
    if (user === undefined) throw new Problem('invalid_token')
    return user
  }

  /** Each way to prove who one is stands here, by its field of the request. */
  async #prove(caller: UserCaller, { current_password: password }: Proof, client: Client): Promise<Proved> {
    if (password !== undefined) return { user: await this.#logIn.confirm(caller, password, client), amr: 'pwd' }
    const errors = [{ in: 'body', path: '/current_password', message: 'is required' }]
    throw new Problem('validation_failed', { errors })
  }
}
