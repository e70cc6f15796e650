import type { Scheme } from '../passwords/scheme.js'
import type { Kind, MappedTable } from './columns.js'
import type { DuplicatePolicy } from './stage.js'
import type { ReadOptions } from './user.js'

/** The source of an import. */
export interface Origin {
  /** The name of this source, under which its old ids and tokens are filed. */
  source: string
  /** The keys of the HMACs by which people are recognised who were imported from this source and deleted here since. */
  erasureKeys: readonly Buffer[]
}

/** What is asked of an import. */
export interface Plan extends ReadOptions, Origin {
  tables: Partial<Record<Kind, MappedTable>>
  duplicates: DuplicatePolicy
  /** How this service hashes passwords. */
  scheme: Scheme
}
