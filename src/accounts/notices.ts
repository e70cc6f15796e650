import type { Db } from '../database/database.js'
import type { User } from './user-rows.js'

/** A mail with a one-time token, which is made when the mail is sent. */
interface TokenMail {
  purpose: 'password_reset' | 'email_verification' | 'email_change' | 'email_undo' | 'invitation' | 'enrollment'
  /** In any spelling. */
  address: string
  userId: number
  locale?: string | null | undefined
}

/** Changes and attempts in an account that its owner is notified of. */
type Notice =
  | 'password_changed'
  | 'email_changed'
  | 'factor_added'
  | 'factor_removed'
  | 'recovery_codes_replaced'
  | 'recovery_code_used'
  | 'factor_attacked'

/** The mails that accounts cause, written in the transaction of the change. src/mail implements this interface. */
export interface Notices {
  /** Whether this service sends mail. If not, nothing is written. */
  readonly isOn: boolean
  /** Writes a mail that notifies the owner of an account. */
  notify(db: Db, notice: Notice, user: Pick<User, 'id' | 'email'>): Promise<void>
  write(db: Db, mail: TokenMail): Promise<void>
  /**
   * As `write`, within the mail budgets, for a requester with this IP address who has not proved to own the mailbox.
   */
  requestWithin(db: Db, mail: TokenMail, ip: string): Promise<void>
}

/**
 * Notifies the address that an account has just lost. The mail can undo the change only if the address was confirmed: a
 * mistyped address must not take the account over.
 */
export async function notifyFormerAddress(notices: Notices, db: Db, before: User): Promise<void> {
  const { id: userId, email, emailVerifiedAt } = before
  if (email !== null && emailVerifiedAt !== null)
    await notices.write(db, { purpose: 'email_undo', address: email, userId })
  else await notices.notify(db, 'email_changed', before)
}
