import { parseArgs } from 'node:util'
import { CommandError } from './command-error.js'
import type { Command, Commands } from './commands/command.js'
import { ConfigError, EXIT_CONFIG } from './config/config.js'
import { Settings } from './config/settings.js'
import { DatabaseError } from './database/database.js'
import { version } from './package.js'
import { Problem } from './problems.js'
import { printable, printError } from './terminal.js'
import { UsageError } from './usage-error.js'

const EXIT_FAILURE = 1
/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64

const [UNPRIVILEGED_PORT, OTHER_PORT, LAST_PORT] = [1_024, 8_080, 65_535]

/** Each command is a module, imported when it is called. */
const COMMANDS: Commands = {
  serve: { summary: 'start the service', load: () => import('./commands/serve.js') },
  migrate: { summary: 'bring the database up to date', load: () => import('./commands/migrate.js') },
  users: { summary: 'create, list, change and disable accounts', load: () => import('./commands/users.js') },
  clients: { summary: 'register OAuth clients and rotate their secrets', load: () => import('./commands/clients.js') },
  'api-keys': { summary: "list and revoke people's API keys", load: () => import('./commands/api-keys.js') },
  keys: { summary: 'list, rotate, retire and reseal signing keys', load: () => import('./commands/keys.js') },
  import: { summary: 'import the users of another application', load: () => import('./commands/import.js') },
  copy: { summary: 'copy everything into an empty database', load: () => import('./commands/copy.js') },
  backup: { summary: 'copy the SQLite database while it is in use', load: () => import('./commands/backup.js') },
  mail: { summary: 'send a test mail', load: () => import('./commands/mail.js') },
  config: { summary: 'show the settings in force, secrets masked', load: () => import('./commands/config.js') },
  openapi: { summary: 'print the OpenAPI document', load: () => import('./commands/openapi.js') },
  healthcheck: {
    summary: 'check whether the service on this machine is ready',
    load: () => import('./commands/healthcheck.js'),
  },
  completion: {
    summary: 'print a script for Tab completion in bash and zsh',
    load: async () => (await import('./commands/completion.js')).completionOf(COMMANDS),
  },
}

const HELP = `latchkey ${version}

Usage: latchkey <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  .join('\n')}

"latchkey help <command>" explains a command, as "latchkey <command> --help" does. Settings come from the environment: see
"latchkey config". With --json a command prints JSON for programs (help too); messages for people go to standard error.

Exit codes:
   0  done
   1  refused or failed: the reason is on standard error
   2  not possible with this database: latchkey backup with PostgreSQL
  64  wrong usage: the command line itself is wrong
  78  wrong or missing settings
 128+n  ended by signal n
`

/** Runs a command line. @throws errors for `reportFailure` */
export async function main([name, ...args]: string[]): Promise<void> {
  if (name === 'help') return help(args)
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(HELP)
    return
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version}\n`)
    return
  }
  if (!Object.hasOwn(COMMANDS, name)) return refuseCommand(name)
  const command = await (COMMANDS[name] as Commands[string]).load()
  const { values, positionals } = parse(name, command, args)
  const [action = ''] = positionals
  if (values.help) process.stdout.write(command.HELP)
  else if (command.ACTIONS && !command.ACTIONS.includes(action)) {
    throw new UsageError(actionExpected(name, command.ACTIONS, action))
  } else await command.run(values, positionals)
}

/** `latchkey help [<command>] [--json]`. */
async function help(args: string[]): Promise<void> {
  const [subject, extra] = args.filter((arg) => arg !== '--json')
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}": latchkey help explains one command`)
  if (subject !== undefined && !Object.hasOwn(COMMANDS, subject)) return refuseCommand(subject)
  if (args.includes('--json')) {
    const { printCommands } = await import('./commands/help.js')
    return printCommands(COMMANDS, subject === undefined ? undefined : [subject])
  }
  return main(subject === undefined ? [] : [subject, '--help'])
}

function refuseCommand(name: string): void {
  printError(`latchkey: there is no command "${name}"`, '')
  process.stderr.write(HELP)
  process.exitCode = EXIT_USAGE
}

function actionExpected(name: string, actions: readonly string[], action: string): string {
  const wrong = action === '' ? 'missing action' : `there is no action "${action}"`
  return `${wrong}: latchkey ${name} ${actions.join(' | ')}; see latchkey ${name} --help`
}

function parse(name: string, command: Command, args: string[]) {
  try {
    return parseArgs({
      args,
      options: { ...command.options, help: { type: 'boolean', short: 'h' } },
      allowPositionals: command.ACTIONS !== undefined || command.OPERAND !== undefined,
    })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const [, option, setting = ''] = /^Unknown option '(--?([^']+))'/.exec(message) ?? []
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || option === undefined)
      throw new UsageError(message.replaceAll('\n', ' '))
    const variable = setting.toUpperCase().replaceAll('-', '_')
    const isSetting = Object.hasOwn(Settings.properties, variable)
    const hint = isSetting
      ? `settings are environment variables: ${variable}=${args[args.indexOf(option) + 1] ?? '...'} latchkey ${name}`
      : `see latchkey ${name} --help`
    throw new UsageError(`there is no option ${option}; ${hint}`)
  }
}

/** Prints why the command failed, and sets the exit code. */
export function reportFailure(error: unknown): void {
  process.exitCode = exitCodeFor(error)
  printError(...messageOf(error))
}

function exitCodeFor(error: unknown): number {
  if (error instanceof ConfigError) return EXIT_CONFIG
  if (error instanceof UsageError) return EXIT_USAGE
  return EXIT_FAILURE
}

/** The lines of an error message. `printable`, because a message may quote input with terminal escapes. */
function messageOf(error: unknown): string[] {
  const { message, stack = message } = error as Error
  if (error instanceof ConfigError) return `latchkey: ${message}`.split('\n')
  const reason = reasonOf(error)
  if (reason !== undefined) return [`latchkey: ${reason}`]
  return `latchkey: ${stack.replace(message, () => printable(message))}`.split('\n')
}

type ListenError = NodeJS.ErrnoException & {
  port?: number
  /** The setting of the port, if it is not PORT. */
  setting?: string
}

/** A sentence about an error that the operator can fix; undefined for a bug, whose stack is printed instead. */
function reasonOf(error: unknown): string | undefined {
  const { message, syscall = '' } = error as ListenError
  if (exitCodeFor(error) !== EXIT_FAILURE || error instanceof DatabaseError || error instanceof CommandError)
    return message
  const causes = causesOf(error)
  const root = causes.at(-1) as NodeJS.ErrnoException & { severity?: string }
  const isUnavailable = causes.some((cause) => cause instanceof Problem && cause.code === 'database_unavailable')
  // An error from PostgreSQL has a severity; drizzle wraps it.
  if (isUnavailable || root.severity !== undefined) return `The database cannot be used: ${root.message || root.code}`
  // A single process fails at listen, a worker at bind, and a HOST that is a name at its look-up.
  if (['listen', 'bind', 'getaddrinfo'].includes(syscall))
    return [message, ...remedyFor(error as ListenError)].join('; ')
  return error instanceof Problem ? message : undefined
}

/** What to do about an address on which the service cannot listen. */
function remedyFor({ code, port = 0, syscall, setting = 'PORT' }: ListenError): string[] {
  const other = `${setting}=${port >= UNPRIVILEGED_PORT && port < LAST_PORT ? port + 1 : OTHER_PORT}`
  if (code === 'EADDRINUSE') return [`stop the program that listens there, or choose another port: ${other}`]
  if (code === 'EACCES') return [`this user may not listen on that port: choose another port, ${other}`]
  if (code !== 'EADDRNOTAVAIL' && syscall !== 'getaddrinfo') return []
  return ['HOST must be an address of this machine, or HOST=0.0.0.0 for all of its IPv4 addresses']
}

/** The error and its chain of causes; the root cause is the last. */
function causesOf(error: unknown): unknown[] {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Error ? [error, ...causesOf(cause)] : [error]
}
