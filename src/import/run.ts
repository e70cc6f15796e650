import type { Database } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import type { Plan } from './plan.js'
import type { Progress } from './progress.js'
import type { Stage } from './stage.js'
import type { Survey } from './survey.js'

/** The parts of an import that writes. */
export interface ImportRun {
  plan: Plan
  stage: Stage
  database: Database
  passwords: Passwords
  progress: Progress
}

/** The number of rows of each kind, and their outcomes. */
export type ImportResult = Pick<Survey, 'users' | 'tutorials' | 'todos'>
