import { type SQL, sql } from 'drizzle-orm'
import type { Config } from '../config/config.js'
import type { Database } from './database.js'

export type FactorPolicy = Config['MFA']

/** Whether the policy asks accounts of this role for a second factor. */
export function needsFactor(policy: FactorPolicy, role: 'user' | 'admin'): boolean {
  return policy === 'required' || (policy === 'required_for_admins' && role === 'admin')
}

/**
 * That the user of the row has the second factor that the policy asks for; undefined where it asks nobody for one. It is in
 * every statement that begins a session or lets an older one go on, so that a door that forgets to ask stays closed.
 */
export function hasNeededFactor({ tables }: Pick<Database, 'tables'>, policy: FactorPolicy): SQL | undefined {
  if (policy !== 'required' && policy !== 'required_for_admins') return undefined
  const { users, factors } = tables
  const hasOne = sql`exists (select 1 from ${factors} where ${factors.userId} = ${users.id} and ${factors.confirmedAt} is not null)`
  return policy === 'required' ? hasOne : sql`(${users.role} <> 'admin' or ${hasOne})`
}
