import type { Result } from './apply.js'
import { grouped, spelled } from './progress.js'
import type { Survey, Tally } from './survey.js'

const KINDS = ['users', 'tutorials', 'todos'] as const

const WITHOUT_PASSWORD: Record<string, string> = {
  empty: 'empty',
  unusable: 'made unusable there',
  unknown: 'no hash that is known here; if these are the passwords themselves, say --plaintext',
  'asks for too much': 'a hash that asks for more time or memory than a log-in may take',
}

/** What an import would do, as lines for people. `hashingMs` is how long the plaintext passwords will take. */
export function describeSurvey(found: Survey, hashingMs: number): string[] {
  const { formats, plaintext, withoutPassword, admins, disabled, outsideRules, twins } = found
  return [
    ...tallies(found, 'to import'),
    '',
    'Passwords',
    ...Object.entries(formats)
      .sort(([, left], [, right]) => right - left)
      .map(([format, count]) => line(count, format)),
    ...(plaintext > 0 ? [line(plaintext, `in plain text: hashing them takes about ${spelled(hashingMs)}`)] : []),
    ...Object.entries(withoutPassword).map(([why, count]) => line(count, WITHOUT_PASSWORD[why] ?? why)),
    ...(sum(withoutPassword) > 0
      ? [
          '            People without a password that works come all the same: an admin hands each a reset (POST /v1/users/{id}/password-reset).',
        ]
      : []),
    '',
    'Worth knowing',
    ...(disabled > 0 ? [line(disabled, 'disabled there, and here')] : []),
    ...(admins > 0 ? [line(admins, 'admins there, users here: see latchkey users set-role')] : []),
    ...(outsideRules.count > 0
      ? [
          line(outsideRules.count, 'with a name that could not register here, but logs in all the same:'),
          `            ${outsideRules.names.map((name) => JSON.stringify(name)).join(', ')}`,
        ]
      : []),
    ...(twins.groups > 0
      ? [
          line(twins.groups, 'names or addresses of several people, for capitals do not count here:'),
          ...twins.examples.map(
            ({ key, names, oldIds }) =>
              `            ${key}: ${names.map((name, index) => `${JSON.stringify(name)} (id ${oldIds[index]})`).join(', ')}`,
          ),
          '            --twins oldest leaves the name to the first of them, --twins skip leaves out all of them.',
        ]
      : []),
    ...(disabled + admins + outsideRules.count + twins.groups === 0 ? ['            nothing'] : []),
  ]
}

/** What an import did, as lines for people. */
export function describeResult(result: Result): string[] {
  return tallies(result, 'imported')
}

function tallies(found: Result, what: string): string[] {
  return KINDS.flatMap((kind) => {
    const tally = found[kind]
    if (tally === undefined) return []
    return [
      `${kind}: ${grouped(tally.read)} read`,
      line(tally.ready, what),
      ...(tally.already > 0 ? [line(tally.already, 'imported before')] : []),
      ...Object.entries(tally.skipped).map(([why, count]) => line(count, `left out: ${why}`)),
    ]
  })
}

/** Whether each number of rows that were read is the sum of what became of them. */
export function addsUp(result: Result): boolean {
  return KINDS.every((kind) => {
    const tally: Tally | undefined = result[kind]
    return tally === undefined || tally.read === tally.ready + tally.already + sum(tally.skipped)
  })
}

function line(count: number, what: string): string {
  return `${grouped(count).padStart(10)}  ${what}`
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
