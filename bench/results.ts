import type { ColdStart, Flood, Plan, Rates, Size } from './measure.js'

/** The figures of one run. */
export interface Results {
  machine: string[]
  plan: Plan
  rates: Rates
  flood: Flood[]
  sizes: Size[]
  coldStarts: ColdStart[]
  memoryAtRest: Record<string, number | undefined>
  memoryUnderLoad: Record<string, number | undefined>
}
