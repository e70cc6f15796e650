import { accessSync, constants, readFileSync } from 'node:fs'
import util from 'node:util'
import { isLoopback } from '../networks.js'
import { type Config, ConfigError, readSetting } from './config.js'
import { Settings } from './settings.js'

const FILE = '.env'
/** Shorter names are one letter away from too many others: HOME is not a misspelt HOST. */
const NAME_MIN_LENGTH = 6
const LONG_NAME = 8
/** A line whose value has a # that nothing separates from it, and that no quotes make a part of it. */
const CUT = /^[^\S\n]*(?:export[^\S\n]+)?(\w+)[^\S\n]*=(?![^\S\n]*['"`])(?:[^\n#]*[^\s#])?#/gm

/**
 * Adds the settings of the file .env in the working directory to the environment. Variables that are set, also as
 * NAME_FILE, take precedence.
 */
export function loadEnvironmentFile(): void {
  const env = process.env
  const text = readEnvironmentFile()
  const isUnset = (name: string) => env[name] === undefined && env[otherName(name)] === undefined
  const taken = Object.entries(util.parseEnv(text)).filter(([name]) => isUnset(name))
  assertWhole(
    text,
    taken.map(([name]) => name),
  )
  for (const [name, value] of taken) env[name] = value
}

/** The text of the file; empty if there is none. @throws ConfigError if it cannot be read */
function readEnvironmentFile(): string {
  try {
    return readFileSync(FILE, 'utf8').replace(/^\ufeff/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A folder named .env is ignored: Python's virtual environments often have that name.
    if (code === 'ENOENT' || code === 'EISDIR') return ''
    // Root's own folder, where `sudo -u latchkey latchkey ...` was typed.
    if (code === 'EACCES' && !isSearchable('.')) return ''
    throw new ConfigError([
      `the file .env cannot be read (${code}): let this user read it, or use another working folder`,
    ])
  }
}

function isSearchable(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** NAME_FILE for NAME, and NAME for NAME_FILE. */
function otherName(name: string): string {
  return name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : `${name}_FILE`
}

/**
 * Node reads `COLOR=#0b6e4f` as empty and `SECRET=a#b` as `a`. @throws ConfigError for settings among `names` that are cut so
 */
function assertWhole(text: string, names: string[]): void {
  const cut = [...text.matchAll(CUT)].map(([, name = '']) => name)
  const settings = names.filter((name) => cut.includes(name) && isSetting(name))
  if (settings.length === 0) return
  throw new ConfigError(settings.map((name) => `${name} in the file .env holds a #: put the value in quotes`))
}

/** Warnings about likely misspelt settings. They do not prevent the start. */
export function warningsAbout(config: Config): string[] {
  const warnings = Object.keys(process.env).flatMap((name) => {
    const meant = settingNear(name)
    return meant === undefined ? [] : [`${name} is not a setting: did you mean ${meant}?`]
  })
  if (!isLoopback(config.HOST) && !readSetting('PUBLIC_URL')) {
    warnings.push(
      `PUBLIC_URL is not set: the issuer of every token is ${config.PUBLIC_URL}; set the address that clients use`,
    )
  }
  if (config.COMPAT && config.COMPAT_WEAK_PASSWORDS === 'on') {
    const signUps = `the tutorials' sign-ups accept short and common passwords such as 1234 while HOST is ${config.HOST}`
    warnings.push(`${signUps}; COMPAT_WEAK_PASSWORDS=off refuses them`)
  }
  return warnings
}

/** The setting that a name is probably a misspelling of; undefined for settings and for unrelated names. */
function settingNear(name: string): string | undefined {
  const bare = name.replace(/_FILE$/, '')
  if (isSetting(name)) return undefined
  const written = bare.toUpperCase()
  return Object.keys(Settings.properties).find((setting) => {
    const allowed = setting.length >= LONG_NAME ? 2 : setting.length >= NAME_MIN_LENGTH ? 1 : 0
    return allowed > 0 && isWithin(allowed, written, setting)
  })
}

function isSetting(name: string): boolean {
  return Object.hasOwn(Settings.properties, name.replace(/_FILE$/, ''))
}

/**
 * Whether the Levenshtein distance of two words is at most `allowed`. Stops as early as possible: in a pod, Kubernetes
 * sets seven variables for each service of the namespace, and each start compares all of them.
 */
function isWithin(allowed: number, from: string, to: string): boolean {
  if (Math.abs(from.length - to.length) > allowed) return false
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let index = 0; index < from.length; index += 1) {
    const next = [index + 1]
    for (let column = 0; column < to.length; column += 1) {
      const replaced = (row[column] ?? 0) + (from[index] === to[column] ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    if (Math.min(...next) > allowed) return false
    row = next
  }
  return (row.at(-1) ?? 0) <= allowed
}
