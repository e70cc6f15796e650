import type { Db } from '../database/database.js'
import type { User } from './user-rows.js'

/** A mail that carries a one-time token, which is made when the mail leaves. */
interface TokenMail {
  purpose: 'password_reset' | 'email_verification' | 'email_change' | 'email_undo' | 'invitation' | 'enrollment'
  /** In any spelling. */
  address: string
  userId: number
  locale?: string | null | undefined
}

/** What is done in an account, or tried, that its owner should know of. */
export type Deed =
  | 'password_changed'
  | 'email_changed'
  | 'factor_added'
  | 'factor_removed'
  | 'recovery_codes_replaced'
  | 'recovery_code_used'
  | 'factor_attacked'

/** The mails that accounts cause, written in the transaction that causes them. src/mail implements it. */
export interface Notices {
  /** Whether this service sends mail. Where it does not, nothing is written. */
  readonly isOn: boolean
  /** Writes a mail that tells the owner of an account of a change. */
  notify(db: Db, deed: Deed, user: Pick<User, 'id' | 'email'>): Promise<void>
  write(db: Db, mail: TokenMail): Promise<void>
  /** As `write`, for somebody at this address of a client who has not proved that the mail is theirs: it takes from the budgets. */
  requestWithin(db: Db, mail: TokenMail, ip: string): Promise<void>
}
