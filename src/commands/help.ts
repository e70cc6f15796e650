import { printJson } from '../terminal.js'
import type { Commands } from './command.js'

/** A command in the output of `latchkey help --json`. */
interface Description {
  command: string
  summary: string
  actions: readonly string[]
  /** Without the two dashes; `boolean` options take no value. */
  options: Record<string, { type: 'string' | 'boolean'; repeatable: boolean }>
}

/** Prints all commands, or the named ones, as one line of JSON each. */
export async function printCommands(commands: Commands, names = Object.keys(commands)): Promise<void> {
  for (const name of names) printJson(await describe(name, commands))
}

async function describe(command: string, commands: Commands): Promise<Description> {
  const { summary, load } = commands[command] as Commands[string]
  const { ACTIONS: actions = [], options = {} } = await load()
  const described = Object.entries({ ...options, help: { type: 'boolean' as const } }).map(([name, option]) => {
    const repeatable = 'multiple' in option && option.multiple === true
    return [name, { type: option.type, repeatable }] as const
  })
  return { command, summary, actions, options: Object.fromEntries(described) }
}
