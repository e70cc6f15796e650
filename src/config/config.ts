import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { TSchema } from '@sinclair/typebox'
import { TransformDecodeError, Value } from '@sinclair/typebox/value'
import { printable } from '../terminal.js'
import { argon2Objection } from './argon2-bounds.js'
import { isPostgres } from './database-url.js'
import { rateLimitOf } from './local-only.js'
import { isLoopbackHost, parseMailUrl } from './mail-url.js'
import { ownLinks } from './pages.js'
import { defaultRpId, passkeyDisagreements } from './passkeys.js'
import { compatAudience } from './public-url.js'
import { readSecretFile } from './secret-files.js'
import { type Config, MASK, SECRET_SETTINGS, Settings } from './settings.js'
import { takesWeakPasswords } from './weak-passwords.js'

/** EX_CONFIG of sysexits.h: the exit code for invalid settings. */
export const EXIT_CONFIG = 78

const VALUE_SHOWN = 60
/** SQLite's names for in-memory databases, which are lost when the connection closes. */
const IN_MEMORY = /^sqlite:.*(:memory:|[?&]mode=memory)/i

export type { Config } from './settings.js'

/** Invalid settings. The message names all of them and says what to do. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      ['Latchkey cannot start with these settings:', ...problems.map((text) => `  - ${printable(text)}`)].join('\n'),
    )
  }
}

/**
 * Reads the settings from `env`: NAME, or NAME_FILE with the path of a file that holds the value.
 * @throws ConfigError that names all invalid settings.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(Settings.properties)) {
    try {
      // A file from Windows has a CR after each value, and a YAML block ends with a line feed.
      const value = readSetting(name, env)?.trim()
      if (!SECRET_SETTINGS.has(name)) assertPrintable(value)
      assertNotMasked(name, value)
      values[name] = decode(schema, value ?? String(schema.default))
    } catch (error) {
      problems.push(describe(name, (error as Error).message, env[name]))
    }
  }
  if (problems.length === 0) problems.push(...disagreements(values as Config))
  if (problems.length > 0) throw new ConfigError(problems)
  const isSet = (name: string) => readSetting(name, env) !== undefined
  const COMPAT_WEAK_PASSWORDS = takesWeakPasswords(values as Config, isSet) ? 'on' : 'off'
  const RATE_LIMIT = rateLimitOf(values as Config, isSet)
  return withDefaults({ ...(values as Config), COMPAT_WEAK_PASSWORDS, RATE_LIMIT })
}

/** Quotes the invalid value, except for secrets and for URLs, which may hold a password. */
function describe(name: string, fault: string, value: string | undefined): string {
  if (!value || SECRET_SETTINGS.has(name) || /^(DATABASE|MAIL|SIGNUP_CHECK)_URL$/.test(name) || value.includes('@'))
    return `${name} ${fault}`
  const shown = `"${value.length > VALUE_SHOWN ? `${value.slice(0, VALUE_SHOWN)}...` : value}"`
  return fault.startsWith('must') ? `${name} ${fault}, but is ${shown}` : `${name} ${shown} ${fault}`
}

/** The address of a service with the same environment, as seen from the same machine. Reads only HOST and PORT. */
export function listeningAddress(): string {
  const { HOST, PORT } = loadConfig(
    Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(HOST|PORT)/.test(name))),
  )
  return hostUrl(HOST, PORT)
}

/**
 * A client cannot connect to 0.0.0.0 or ::, and passkeys need a host name, so these and 127.0.0.1 become localhost.
 * Text that is not a host gets localhost too; the system refuses it when the service listens.
 */
function hostUrl(host: string, port: number): string {
  const name = /^(0\.0\.0\.0|::|127\.0\.0\.1)$/.test(host) ? 'localhost' : host
  const url = `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`
  return URL.canParse(url) ? url : `http://localhost:${port}`
}

/** The value of NAME, or of the file that NAME_FILE names; undefined if neither is set. */
export function readSetting(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const value = env[name]
  const file = env[`${name}_FILE`]
  if (file === undefined) return filled(name, value)
  if (value !== undefined) throw new Error(`is set twice: remove ${name} or ${name}_FILE`)
  return filled(name, readSettingFile(name, file))
}

function readSettingFile(name: string, file: string): string {
  try {
    if (SECRET_SETTINGS.has(name)) return readSecretFile(file, { ownedOnly: true })
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`cannot be read from the file that ${name}_FILE names: ${code ?? `it ${message}`}`)
  }
}

/** Refuses an empty SECRET_KEY: it is a template that was not filled in, not a request for a new key. */
function filled(name: string, value: string | undefined): string | undefined {
  if (name === 'SECRET_KEY' && value !== undefined && /^[\s,]*$/.test(value)) {
    throw new Error('is empty: set a value or remove it')
  }
  return value
}

function assertPrintable(value = ''): void {
  if (/\p{Cc}/u.test(value)) throw new Error('contains a control character, such as a line break: remove it')
}

/** Refuses a value that was copied from the masked output of `latchkey config`. */
function assertNotMasked(name: string, value = ''): void {
  const mayBeMasked = SECRET_SETTINGS.has(name) || name === 'DATABASE_URL'
  if (mayBeMasked && value.includes(MASK))
    throw new Error(`contains ${MASK}, the mask of latchkey config: set the real value`)
}

function decode(schema: TSchema, raw: string): unknown {
  if (!Value.Check(schema, raw)) throw new Error(schema.errorMessage ?? 'is not valid')
  try {
    return Value.Decode(schema, raw)
  } catch (error) {
    throw error instanceof TransformDecodeError ? error.error : error
  }
}

/** Conflicts between settings that are each valid. */
function disagreements(config: Config): string[] {
  const problems: string[] = []
  if (config.REFRESH_IDLE_TTL > config.REFRESH_ABSOLUTE_TTL) {
    problems.push('REFRESH_IDLE_TTL must not be longer than REFRESH_ABSOLUTE_TTL')
  }
  // The metrics listen first, so the start would fail with an error that blames another program on PORT.
  if (config.METRICS_PORT === config.PORT && config.PORT !== 0) {
    problems.push('METRICS_PORT must differ from PORT')
  }
  const objection = argon2Objection(config.ARGON2_MEMORY, config.ARGON2_PASSES)
  if (objection !== undefined) problems.push(objection)
  const { PUBLIC_URL, AUDIENCE, RP_ID, PASSKEY_ORIGINS } = withDefaults(config)
  if (AUDIENCE === compatAudience(PUBLIC_URL)) {
    problems.push(`AUDIENCE must not be ${AUDIENCE}: it is the audience of the tutorials' long-lived tokens`)
  }
  const isSet = config.RP_ID !== '' || config.PASSKEY_ORIGINS.length > 0
  if (isSet) problems.push(...passkeyDisagreements({ RP_ID, PASSKEY_ORIGINS }))
  if (IN_MEMORY.test(config.DATABASE_URL)) {
    problems.push('DATABASE_URL must name a file: a database in memory would be lost at every restart')
  }
  if (isPostgres(config.DATABASE_URL)) {
    // Processes that share a database must agree on both settings, and cannot see each other's defaults.
    if (config.SECRET_KEY.length === 0) {
      problems.push('SECRET_KEY is required with PostgreSQL; make one with: openssl rand -base64 32')
    }
    if (config.PUBLIC_URL === '') problems.push('PUBLIC_URL is required with PostgreSQL')
  }
  return [...problems, ...mailDisagreements({ ...config, MAIL_URL: withDefaults(config).MAIL_URL })]
}

function mailDisagreements(config: Config): string[] {
  const { MAIL_URL, MAIL_FROM, MAIL_WEBHOOK_SECRET, EMAIL_VERIFICATION, EMAIL_LOGIN } = config
  const { kind } = parseMailUrl(MAIL_URL)
  const problems: string[] = []
  if (kind === 'off' && EMAIL_VERIFICATION !== 'off') {
    problems.push('EMAIL_VERIFICATION needs MAIL_URL, for example MAIL_URL=smtp://user:password@host:587')
  }
  if (kind === 'off' && EMAIL_LOGIN) {
    problems.push('EMAIL_LOGIN needs MAIL_URL, for example MAIL_URL=smtp://user:password@host:587')
  }
  if ((kind === 'smtp' || kind === 'hook') && MAIL_FROM === '') {
    problems.push('MAIL_FROM is required with MAIL_URL, for example MAIL_FROM="Example <no-reply@example.com>"')
  }
  if (kind === 'hook' && MAIL_WEBHOOK_SECRET.length === 0) {
    problems.push(
      'MAIL_WEBHOOK_SECRET is required with this MAIL_URL; make one with: echo "whsec_$(openssl rand -base64 32)"',
    )
  }
  return problems
}

/** On localhost, mails are written to files, which can be read without a mail server. */
function defaultMail({ EMAIL_VERIFICATION, EMAIL_LOGIN, PUBLIC_URL }: Config): string {
  const isLocal = isLoopbackHost(new URL(PUBLIC_URL).hostname)
  return (EMAIL_VERIFICATION !== 'off' || EMAIL_LOGIN) && isLocal ? 'file:./data/mail' : 'off'
}

function withDefaults(config: Config): Config {
  const publicUrl = config.PUBLIC_URL || hostUrl(config.HOST, config.PORT)
  return Object.freeze({
    ...config,
    PUBLIC_URL: publicUrl,
    AUDIENCE: config.AUDIENCE || publicUrl,
    RP_ID: config.RP_ID || defaultRpId(publicUrl),
    PASSKEY_ORIGINS: config.PASSKEY_ORIGINS.length > 0 ? config.PASSKEY_ORIGINS : [originOf(publicUrl)],
    MAIL_URL: config.MAIL_URL || defaultMail({ ...config, PUBLIC_URL: publicUrl }),
    MAIL_LINKS: config.MAIL_LINKS || ownLinks({ ...config, PUBLIC_URL: publicUrl }),
    MAIL_FROM: config.MAIL_FROM || `no-reply@${hostOf(publicUrl)}`,
  })
}

function originOf(publicUrl: string): string {
  return URL.canParse(publicUrl) ? new URL(publicUrl).origin : ''
}

/** The host, if an e-mail address may contain it; else localhost. */
function hostOf(publicUrl: string): string {
  const host = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : ''
  return /^[a-z\d]/.test(host) ? host : 'localhost'
}
