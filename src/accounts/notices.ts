import type { Db } from '../database/database.js'
import type { User } from './user-rows.js'

/** Tells an account what was done in it, in the transaction of the deed. Mail does, where it is on. */
export interface Notices {
  notify(db: Db, deed: 'password_changed' | 'email_changed', user: Pick<User, 'id' | 'email'>): Promise<void>
}
