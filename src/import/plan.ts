import type { Scheme } from '../passwords/scheme.js'
import type { Kind, MappedTable } from './columns.js'
import type { DuplicatePolicy } from './stage.js'
import type { ReadOptions } from './user.js'

/** The source of an import. */
export interface Origin {
  /** The name of this source, under which its old ids and tokens are stored. */
  source: string
  /** The keys of the HMACs that identify users who were imported from this source and have been deleted here. */
  erasureKeys: readonly Buffer[]
}

/** The options of an import. */
export interface Plan extends ReadOptions, Origin {
  tables: Partial<Record<Kind, MappedTable>>
  duplicates: DuplicatePolicy
  /** How this service hashes passwords. */
  scheme: Scheme
}
