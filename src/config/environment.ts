import { readFileSync } from 'node:fs'
import util from 'node:util'
import { isLoopback } from '../networks.js'
import { type Config, readSetting } from './config.js'
import { Settings } from './settings.js'

const FILE = '.env'
/** Shorter names are one letter away from too many others: HOME is not a misspelt HOST. */
const NAME_MIN_LENGTH = 6
const LONG_NAME = 8

/**
 * Adds the settings of the file .env in the working directory to the environment. Variables that are set, also as
 * NAME_FILE, take precedence.
 */
export function loadEnvironmentFile(env: NodeJS.ProcessEnv = process.env): void {
  const real = new Set(Object.keys(env))
  for (const [name, value] of Object.entries(readEnvironmentFile())) {
    const other = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : `${name}_FILE`
    if (!real.has(name) && !real.has(other)) env[name] = value
  }
}

/** @throws Error if the file exists and cannot be read */
function readEnvironmentFile(): NodeJS.Dict<string> {
  let text: string
  try {
    text = readFileSync(FILE, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A folder named .env is ignored: Python's virtual environments often have that name.
    if (code === 'ENOENT' || code === 'EISDIR') return {}
    throw error
  }
  return util.parseEnv(text.replace(/^\ufeff/, ''))
}

/** Warnings about likely misspelt settings. They do not prevent the start. */
export function doubtsAbout(config: Config, env: NodeJS.ProcessEnv = process.env): string[] {
  const doubts = Object.keys(env).flatMap((name) => {
    const meant = settingNear(name)
    return meant === undefined ? [] : [`${name} is no setting: did you mean ${meant}?`]
  })
  if (!isLoopback(config.HOST) && !readSetting('PUBLIC_URL', env)) {
    doubts.push(`PUBLIC_URL is not set: every token says that it was issued by ${config.PUBLIC_URL}`)
  }
  if (config.COMPAT && config.COMPAT_WEAK_PASSWORDS === 'on') {
    const doors = `the tutorials' sign-ups take short and common passwords such as 1234 while HOST is ${config.HOST}`
    doubts.push(`${doors}; COMPAT_WEAK_PASSWORDS=off refuses them`)
  }
  return doubts
}

/** The setting that a name is probably a misspelling of; undefined for settings and for unrelated names. */
function settingNear(name: string): string | undefined {
  const bare = name.replace(/_FILE$/, '')
  const known = Object.keys(Settings.properties)
  if (known.includes(name) || known.includes(bare)) return undefined
  const written = bare.toUpperCase()
  return known.find((setting) => {
    const allowed = setting.length >= LONG_NAME ? 2 : setting.length >= NAME_MIN_LENGTH ? 1 : 0
    return allowed > 0 && isWithin(allowed, written, setting)
  })
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
