import type { Database } from '../database/database.js'
import type { Passwords } from '../passwords/passwords.js'
import type { Plan } from './plan.js'
import type { Progress } from './progress.js'
import type { Stage } from './stage.js'
import type { Survey } from './survey.js'

/** What an import that writes works with. */
export interface ImportRun {
  plan: Plan
  stage: Stage
  database: Database
  passwords: Passwords
  progress: Progress
}

/** How many rows of each kind there were, and what became of them. */
export type ImportResult = Pick<Survey, 'users' | 'tutorials' | 'todos'>
