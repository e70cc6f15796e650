import type { ParseArgsConfig } from 'node:util'

/** The exports of a command's file. */
export interface Command {
  HELP: string
  options?: ParseArgsConfig['options']
  /** The actions allowed directly after the command's name; none if undefined. */
  ACTIONS?: readonly string[]
  /** The name of a free argument, for commands without actions. */
  OPERAND?: string
  run(values: Record<string, unknown>, positionals: string[]): Promise<void>
}

/** Each command is a module, imported when it is called. */
export type Commands = Record<string, { summary: string; load: () => Promise<Command> }>
