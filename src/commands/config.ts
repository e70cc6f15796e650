import { type Config, loadConfig, readSetting } from '../config.js'
import { SECRET_SETTINGS, Settings } from '../settings.js'
import { print } from '../terminal.js'

export const HELP = `Usage: latchkey config [--example]

Shows the settings in force, as the environment gives them; secrets are masked.

  --example   print an example of the environment with every setting, its default and its meaning
`

export const options = { example: { type: 'boolean' } } as const

export async function run({ example }: { example?: boolean }): Promise<void> {
  if (example) process.stdout.write(exampleEnvironment())
  else print(...effective(loadConfig()))
}

/** The text of .env.example: every setting, at its default, as a comment. */
export function exampleEnvironment(): string {
  const settings = Object.entries(Settings.properties).map(([name, { description, bounds, default: value }]) =>
    [description, bounds && `Bounds: ${bounds.replaceAll('`', '')}.`, `${name}=${value}`]
      .filter(Boolean)
      .map((line) => `# ${line}`)
      .join('\n'),
  )
  return `# Every setting of Latchkey, at its default. NAME_FILE instead of NAME reads the value from a file.\n\n${settings.join('\n\n')}\n`
}

/** As a service would accept them again, but for what is masked. */
function effective(config: Config): string[] {
  return Object.entries(Settings.properties).map(([name, schema]) => {
    const { [name as keyof Config]: inForce } = config
    const text = typeof inForce === 'string' ? inForce : (readSetting(name) ?? String(schema.default))
    return `${name}=${SECRET_SETTINGS.has(name) && text !== '' ? '********' : withoutPassword(text)}`
  })
}

/** The address of a database carries its password. */
function withoutPassword(value: string): string {
  return value
    .replace(/^(postgres(?:ql)?:\/\/[^:@/]*):.*@/, '$1:********@')
    .replace(/([?&]password=)[^&]*/, '$1********')
}
