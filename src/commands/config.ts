import { type Config, loadConfig, readSetting } from '../config/config.js'
import { maskMailUrl } from '../config/mail-url.js'
import { MASK, SECRET_SETTINGS, Settings } from '../config/settings.js'
import { print, printJson } from '../terminal.js'

export const HELP = `Usage: latchkey config [--example | --json]

Prints the settings in force, as variables of the environment. Secrets and passwords are masked as ********; before you use
the output as settings, replace the mask with the real value.

  --example   print every setting with its default and its meaning, as a template for .env
  --json      print the settings as JSON

Exit codes: 0 done; 64 wrong usage; 78 wrong settings.
`

export const options = { example: { type: 'boolean' }, json: { type: 'boolean' } } as const

export async function run({ example, json }: { example?: boolean; json?: boolean }): Promise<void> {
  if (example) {
    process.stdout.write(exampleEnvironment())
    return
  }
  const settings = effective(loadConfig())
  if (json) printJson(Object.fromEntries(settings), 2)
  else print(...settings.map(asVariable))
}

/** The text of .env.example: every setting, commented out, with its default. */
export function exampleEnvironment(): string {
  const settings = Object.entries(Settings.properties).map(([name, { description, bounds, default: value }]) =>
    [description, bounds && `Bounds: ${bounds.replaceAll('`', '')}.`, `${name}=${value}`]
      .filter(Boolean)
      .map((line) => `# ${line}`)
      .join('\n'),
  )
  return `# Every setting of Latchkey with its default. To read a value from a file, set NAME_FILE instead of NAME.\n\n${settings.join('\n\n')}\n`
}

/** Settings with URLs whose path may be a secret. */
const HOOKS = new Set(['MAIL_URL', 'SIGNUP_CHECK_URL'])

/** The settings in the format in which a service reads them, except for masked values. */
function effective(config: Config): [name: string, value: string][] {
  return Object.entries(Settings.properties).map(([name, schema]) => {
    const inForce = name === 'RATE_LIMIT' ? String(config.RATE_LIMIT ?? 'off') : config[name as keyof Config]
    const text = typeof inForce === 'string' ? inForce : (readSetting(name) ?? String(schema.default))
    return [
      name,
      SECRET_SETTINGS.has(name) && text !== '' ? MASK : (HOOKS.has(name) ? maskMailUrl : withoutPassword)(text),
    ]
  })
}

/** SECRET_KEY is commented out if unset: an empty value is refused, as a sign of a template that was not filled in. */
function asVariable([name, value]: [string, string]): string {
  return name === 'SECRET_KEY' && value === '' ? `# ${name}=` : `${name}=${quoted(value)}`
}

/** In quotes where a file .env would take a part of the value for a comment, or its own quotes for more than text. */
function quoted(value: string): string {
  if (!/#|^['"`]/.test(value)) return value
  const quote = ["'", '"', '`'].find((mark) => !value.includes(mark)) ?? "'"
  return `${quote}${value}${quote}`
}

/** Masks the password in a database URL. */
function withoutPassword(value: string): string {
  return value.replace(/^(postgres(?:ql)?:\/\/[^:@/]*):.*@/, `$1:${MASK}@`).replace(/([?&]password=)[^&]*/, `$1${MASK}`)
}
