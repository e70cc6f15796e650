import type { ParseArgsConfig } from 'node:util'

/** What the file of a command exports. */
export interface Command {
  HELP: string
  options?: ParseArgsConfig['options']
  /** What may stand behind the command's name; nothing where this is missing. */
  ACTIONS?: readonly string[]
  /** What stands there instead, where it may be anything. */
  OPERAND?: string
  run(values: Record<string, unknown>, positionals: string[]): Promise<void>
}

/** Each command is a file, loaded when it is called. */
export type Commands = Record<string, { summary: string; load: () => Promise<Command> }>
