import type { Scheme } from '../passwords/scheme.js'
import type { Kind, MappedTable } from './columns.js'
import type { DuplicatePolicy } from './stage.js'
import type { ReadOptions } from './user.js'

/** Where people come from. */
export interface Origin {
  /** What this source is called; its ids and old tokens are told apart from others' by it. */
  source: string
  /** The keys by which people of this source are recognised who have been deleted here since. */
  erasureKeys: readonly Buffer[]
}

/** What is asked of an import. */
export interface Plan extends ReadOptions, Origin {
  tables: Partial<Record<Kind, MappedTable>>
  duplicates: DuplicatePolicy
  /** How this service hashes passwords. */
  scheme: Scheme
}
