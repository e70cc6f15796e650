import { type SQL, sql } from 'drizzle-orm'
import type { Config } from '../config/config.js'
import type { Database } from './database.js'

export type FactorPolicy = Config['MFA']

/** Whether the policy requires a second factor for accounts of this role. */
export function needsFactor(policy: FactorPolicy, role: 'user' | 'admin'): boolean {
  return policy === 'required' || (policy === 'required_for_admins' && role === 'admin')
}

/**
 * A condition: the user of the row has the second factor that the policy requires. Undefined if the policy requires
 * none. Every statement that creates or extends a session includes the condition, so an endpoint that forgets the check
 * still fails.
 */
export function hasNeededFactor({ tables }: Pick<Database, 'tables'>, policy: FactorPolicy): SQL | undefined {
  if (policy !== 'required' && policy !== 'required_for_admins') return undefined
  const { users, factors } = tables
  const hasOne = sql`exists (select 1 from ${factors} where ${factors.userId} = ${users.id} and ${factors.confirmedAt} is not null)`
  return policy === 'required' ? hasOne : sql`(${users.role} <> 'admin' or ${hasOne})`
}
