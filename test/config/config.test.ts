// On SQLite alone: no database.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { exampleEnvironment } from '../../src/commands/config.js'
import { ConfigError, loadConfig } from '../../src/config/config.js'
import { Settings } from '../../src/config/settings.js'
import { packageRoot } from '../../src/package.js'

const MINUTE = 60_000
const DAY = 86_400_000

t.test('without any setting the defaults apply', async (t) => {
  const config = loadConfig({})
  t.match(config, {
    HOST: 'localhost',
    PORT: 3000,
    DATABASE_URL: 'sqlite:./data/latchkey.db',
    PUBLIC_URL: 'http://localhost:3000',
    AUDIENCE: 'http://localhost:3000',
    ACCESS_TOKEN_TTL: 10 * MINUTE,
    REFRESH_IDLE_TTL: 14 * DAY,
    REFRESH_ABSOLUTE_TTL: 30 * DAY,
    REFRESH_REUSE_WINDOW: 10_000,
    PASSWORD_HASH: 'bcrypt',
    BCRYPT_COST: 12,
    ARGON2_MEMORY: 19 * 1024 * 1024,
    ARGON2_PASSES: 2,
    HASH_QUEUE: 32,
    PASSWORD_MIN_LENGTH: 8,
    PASSWORD_BLOCKLIST: true,
    REGISTRATION: 'open',
    PASSWORD_GRANT: true,
    DOCS: true,
    LOGIN_THROTTLE: true,
    RATE_LIMIT: 600,
    BODY_LIMIT: 64 * 1024,
    LOG_LEVEL: 'info',
    MIGRATE_ON_START: true,
    DRAIN_DELAY: 0,
    SHUTDOWN_TIMEOUT: 10_000,
  })
  t.same([config.SECRET_KEY, config.TRUST_PROXY, config.CORS_ORIGINS], [[], [], []])
  t.ok(Object.isFrozen(config))
})

t.test('the default RATE_LIMIT is ten times as high while the service is reachable only locally', async (t) => {
  const cases: [expected: number | undefined, env: NodeJS.ProcessEnv][] = [
    [600, {}],
    [600, { HOST: '::1', PUBLIC_URL: 'http://localhost:3000' }],
    [60, { HOST: '0.0.0.0' }],
    [60, { HOST: '192.168.0.10' }],
    [60, { TRUST_PROXY: '127.0.0.1' }],
    [60, { PUBLIC_URL: 'https://login.example.com' }],
    [60, { RATE_LIMIT: '60' }],
    [7, { RATE_LIMIT: '7' }],
    [undefined, { RATE_LIMIT: 'off' }],
  ]
  for (const [expected, env] of cases) t.equal(loadConfig(env).RATE_LIMIT, expected, JSON.stringify(env))
})

t.test('weak passwords are off by default unless the service is reachable only locally', async (t) => {
  const cases: [expected: 'on' | 'off', env: NodeJS.ProcessEnv][] = [
    ['on', {}],
    ...['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'].map(
      (HOST): ['on', NodeJS.ProcessEnv] => ['on', { HOST }],
    ),
    ...['0.0.0.0', '::', '192.168.0.10', '128.0.0.1', 'localhost.example.com', '127.0.0.1.example.com', '::2'].map(
      (HOST): ['off', NodeJS.ProcessEnv] => ['off', { HOST }],
    ),
    ['off', { TRUST_PROXY: '127.0.0.1' }],
    ['off', { PUBLIC_URL: 'https://login.example.com' }],
    ['on', { PUBLIC_URL: 'http://localhost:3000' }],
    ['off', { PASSWORD_MIN_LENGTH: '8' }],
    ['off', { PASSWORD_BLOCKLIST: 'on' }],
    ['off', { COMPAT_WEAK_PASSWORDS: 'off' }],
    ['on', { COMPAT_WEAK_PASSWORDS: 'on', HOST: '0.0.0.0', PUBLIC_URL: 'https://login.example.com' }],
    ['on', { COMPAT_WEAK_PASSWORDS: 'auto', PASSWORD_MIN_LENGTH: '8' }],
    ['off', { COMPAT_WEAK_PASSWORDS: 'auto', HOST: '0.0.0.0' }],
  ]
  for (const [expected, env] of cases) t.equal(loadConfig(env).COMPAT_WEAK_PASSWORDS, expected, JSON.stringify(env))
  t.throws(() => loadConfig({ COMPAT_WEAK_PASSWORDS: 'yes' }), /COMPAT_WEAK_PASSWORDS must be one of auto, on, off/)
})

t.test('each setting is accepted in its documented form', async (t) => {
  const cases: [string, string, unknown][] = [
    ['PORT', '0', 0],
    ['PORT', '65535', 65_535],
    ['PUBLIC_URL', 'https://login.example.com/auth/', 'https://login.example.com/auth'],
    ['ACCESS_TOKEN_TTL', '1h', 60 * MINUTE],
    ['REFRESH_REUSE_WINDOW', '0s', 0],
    ['DRAIN_DELAY', '1500ms', 1_500],
    ['PASSWORD_HASH', 'argon2id', 'argon2id'],
    ['BCRYPT_COST', '10', 10],
    ['ARGON2_MEMORY', '64MiB', 64 * 1024 * 1024],
    ['ARGON2_PASSES', '10', 10],
    ['BODY_LIMIT', '1MiB', 1024 * 1024],
    ['BODY_LIMIT', '1024B', 1024],
    ['RATE_LIMIT', 'off', undefined],
    ['DOCS', 'off', false],
    ['REGISTRATION', 'closed', 'closed'],
    ['TRUST_PROXY', '10.0.0.0/8, 192.168.1.1,::1,fd00::/8', ['10.0.0.0/8', '192.168.1.1', '::1', 'fd00::/8']],
    [
      'CORS_ORIGINS',
      'https://app.example.com,http://localhost:8080',
      ['https://app.example.com', 'http://localhost:8080'],
    ],
  ]
  for (const [name, value, decoded] of cases) {
    const config: Record<string, unknown> = loadConfig({ [name]: value })
    t.same(config[name], decoded, `${name}=${value}`)
  }
})

t.test('the issuer defaults to the listening address, and the audience to the issuer', async (t) => {
  t.match(loadConfig({ HOST: '::1', PORT: '8080' }), { PUBLIC_URL: 'http://[::1]:8080', AUDIENCE: 'http://[::1]:8080' })
  const both = { PUBLIC_URL: 'https://login.example.com', AUDIENCE: 'urn:api' }
  t.match(loadConfig(both), both)
  t.match(loadConfig({ PUBLIC_URL: 'https://login.example.com' }), { AUDIENCE: 'https://login.example.com' })
})

t.test('RP_ID defaults to the host of PUBLIC_URL, and must be a domain of every passkey origin', async (t) => {
  const read = (env: Record<string, string>) => {
    const { RP_ID, PASSKEY_ORIGINS } = loadConfig(env)
    return [RP_ID, ...PASSKEY_ORIGINS]
  }
  const PUBLIC_URL = 'https://login.example.com/auth'
  const app = `android:apk-key-hash:${'a'.repeat(43)}`
  t.same(read({}), ['localhost', 'http://localhost:3000'])
  t.same(read({ PUBLIC_URL }), ['login.example.com', 'https://login.example.com'])
  t.same(read({ PUBLIC_URL, RP_ID: 'example.com' }), ['example.com', 'https://login.example.com'])
  t.same(read({ PUBLIC_URL, PASSKEY_ORIGINS: `https://login.example.com,${app}` }).length, 3)
  for (const url of ['http://192.0.2.7:3000', 'http://[2001:db8::7]']) t.same(read({ PUBLIC_URL: url })[0], '')
  for (const [env, expected] of [
    [{ PUBLIC_URL, RP_ID: 'example.org' }, /https:\/\/login\.example\.com, which is not in the domain example\.org/],
    [{ PUBLIC_URL, RP_ID: 'n.example.com' }, /not in the domain/],
    [{ PUBLIC_URL, PASSKEY_ORIGINS: 'https://app.example.com' }, /not in the domain login\.example\.com: set RP_ID/],
    [{ PUBLIC_URL: 'http://192.0.2.7', PASSKEY_ORIGINS: 'https://app.example.com' }, /not in the domain \(none\)/],
    [{ RP_ID: 'https://example.com' }, /RP_ID must be a domain/],
    [{ RP_ID: '192.0.2.7' }, /RP_ID must be a domain/],
    [{ PASSKEY_ORIGINS: 'https://example.com/login' }, /PASSKEY_ORIGINS must hold origins/],
    [{ PASSKEY_ORIGINS: 'android:apk-key-hash:short' }, /PASSKEY_ORIGINS must hold origins/],
  ] as [Record<string, string>, RegExp][]) {
    t.throws(() => loadConfig(env), expected, JSON.stringify(env))
  }
})

t.test('an invalid setting is rejected with its name and the valid values', async (t) => {
  const cases: [string, string, RegExp][] = [
    ['HOST', ' ', /is empty: set an address/],
    ['PORT', '65536', /whole number from 0 to 65535/],
    ['PORT', '-1', /whole number from 0 to 65535/],
    ['PORT', '0x10', /whole number/],
    ['PORT', '3000.5', /whole number/],
    ['PORT', '', /whole number/],
    ['PORT', 'http', /whole number/],
    ['DATABASE_URL', '', /sqlite:<path>/],
    ['DATABASE_URL', 'sqlite:', /sqlite:<path>/],
    ['DATABASE_URL', './data/latchkey.db', /sqlite:<path>/],
    ['DATABASE_URL', 'mysql://localhost/x', /sqlite:<path>/],
    ['PUBLIC_URL', 'login.example.com', /http or https address/],
    ['PUBLIC_URL', 'ftp://login.example.com', /http or https address/],
    ['PUBLIC_URL', 'https://login.example.com/?a=b', /http or https address/],
    ['PUBLIC_URL', 'https://login.example.com/#a', /http or https address/],
    ['PUBLIC_URL', 'https://mina:secret@login.example.com', /http or https address/],
    ['ACCESS_TOKEN_TTL', '61m', /duration.*from 1s to 1h/],
    ['ACCESS_TOKEN_TTL', '0s', /duration.*from 1s to 1h/],
    ['ACCESS_TOKEN_TTL', '600', /duration/],
    ['ACCESS_TOKEN_TTL', '10 m', /duration/],
    ['ACCESS_TOKEN_TTL', '-10m', /duration/],
    ['ACCESS_TOKEN_TTL', '1e1m', /duration/],
    ['ACCESS_TOKEN_TTL', '10toString', /duration/],
    ['REFRESH_IDLE_TTL', '91d', /duration.*90d/],
    ['REFRESH_IDLE_TTL', '31d', /must not be longer than REFRESH_ABSOLUTE_TTL/],
    ['REFRESH_ABSOLUTE_TTL', '366d', /duration.*365d/],
    ['REFRESH_REUSE_WINDOW', '61s', /duration.*60s/],
    ['PASSWORD_HASH', 'argon2', /one of bcrypt, argon2id/],
    ['ARGON2_MEMORY', '6MiB', /size.*from 7MiB to 128MiB/],
    ['ARGON2_MEMORY', '129MiB', /size.*from 7MiB to 128MiB/],
    ['ARGON2_PASSES', '0', /whole number from 1 to 10/],
    ['ARGON2_PASSES', '11', /whole number from 1 to 10/],
    ['ARGON2_PASSES', '1', /at least 2 with this ARGON2_MEMORY/],
    ['BCRYPT_COST', '9', /whole number from 10 to 15/],
    ['BCRYPT_COST', '16', /whole number from 10 to 15/],
    ['HASH_QUEUE', '10001', /whole number from 0 to 10000/],
    ['PASSWORD_MIN_LENGTH', '0', /whole number from 1 to 64/],
    ['PASSWORD_MIN_LENGTH', '65', /whole number from 1 to 64/],
    ['PASSWORD_BLOCKLIST', 'yes', /on or off/],
    ['REGISTRATION', 'off', /open, closed/],
    ['PASSWORD_GRANT', 'false', /on or off/],
    ['DOCS', '1', /on or off/],
    ['DOCS', 'ON', /on or off/],
    ['LOGIN_THROTTLE', '', /on or off/],
    ['RATE_LIMIT', '0', /whole number from 1/],
    ['RATE_LIMIT', 'none', /whole number from 1/],
    ['TRUST_PROXY', 'true', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '1', /addresses or CIDR ranges/],
    ['TRUST_PROXY', 'loopback', /addresses or CIDR ranges/],
    ['TRUST_PROXY', 'proxy.example.com', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '10.0.0.0/33', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '10.0.0.0/8/8', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '10.0.0.0/', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '10.0.0.1,true', /addresses or CIDR ranges/],
    ['TRUST_PROXY', '::1/129', /addresses or CIDR ranges/],
    ['CORS_ORIGINS', '*', /origins such as/],
    ['CORS_ORIGINS', 'https://app.example.com/', /origins such as/],
    ['CORS_ORIGINS', 'https://*.example.com', /origins such as/],
    ['CORS_ORIGINS', 'null', /origins such as/],
    ['CORS_ORIGINS', 'app.example.com', /origins such as/],
    ['BODY_LIMIT', '2MiB', /size.*from 1KiB to 1MiB/],
    ['BODY_LIMIT', '64KB', /size/],
    ['EVENTS_RETENTION', '0d', /duration.*1d/],
    ['LOG_LEVEL', 'verbose', /trace, debug, info/],
    ['LOG_LEVEL', 'INFO', /trace, debug, info/],
    ['MIGRATE_ON_START', 'no', /on or off/],
    ['DRAIN_DELAY', '6m', /duration.*5m/],
    ['SHUTDOWN_TIMEOUT', '0s', /duration.*1s/],
  ]
  for (const [name, value, words] of cases) {
    const [problem = '', ...others] = problemsOf({ [name]: value })
    t.match(problem, new RegExp(`^${name} .*${words.source}`), `${name}=${value}`)
    t.same(others, [])
  }
})

t.test('every setting with bounds rejects a value of another type', async (t) => {
  const bounded = Object.entries(Settings.properties).flatMap(([name, { bounds }]) => (bounds ? [name] : []))
  t.ok(bounded.length >= 15)
  for (const name of bounded) t.match(problemsOf({ [name]: '?' })[0], new RegExp(`^${name} must be`), name)
})

t.test('all wrong settings are named at once', async (t) => {
  const problems = problemsOf({ PORT: 'x', DOCS: 'maybe', SECRET_KEY: 'a', TRUST_PROXY: 'true', LOG_LEVEL: 'info' })
  t.same(
    problems.map((problem) => problem.split(' ')[0]),
    ['PORT', 'SECRET_KEY', 'DOCS', 'TRUST_PROXY'],
  )
  try {
    loadConfig({ PORT: 'x', DOCS: 'maybe' })
    t.fail('the settings were accepted')
  } catch (error) {
    t.match(error, { message: /^Latchkey cannot start with these settings:\n {2}- PORT .*\n {2}- DOCS [^\n]*$/ })
  }
})

t.test('METRICS_PORT must differ from PORT, unless both are 0', async (t) => {
  t.throws(() => loadConfig({ PORT: '4000', METRICS_PORT: '4000' }), /METRICS_PORT must differ from PORT/)
  for (const METRICS_PORT of ['4001', 'off']) t.ok(loadConfig({ PORT: '4000', METRICS_PORT }))
  t.ok(loadConfig({ PORT: '0', METRICS_PORT: '0' }), 'the system chooses two ports')
})

t.test('argon2id settings that are weaker than OWASP advises or too costly for a log-in are rejected', async (t) => {
  const cases: [memory: string, passes: string, problem?: string][] = [
    ['46MiB', '1'],
    ['45MiB', '1', 'ARGON2_PASSES must be at least 2 with this ARGON2_MEMORY, as OWASP advises'],
    ['18MiB', '3'],
    ['18MiB', '2', 'ARGON2_PASSES must be at least 3 with this ARGON2_MEMORY, as OWASP advises'],
    ['7MiB', '5'],
    ['7MiB', '4', 'ARGON2_PASSES must be at least 5 with this ARGON2_MEMORY, as OWASP advises'],
    ['128MiB', '4'],
    ['128MiB', '5', 'ARGON2_MEMORY times ARGON2_PASSES must be at most 512MiB'],
  ]
  for (const [ARGON2_MEMORY, ARGON2_PASSES, problem] of cases) {
    const found = problemsOf({ PASSWORD_HASH: 'argon2id', ARGON2_MEMORY, ARGON2_PASSES })
    t.same(found, problem === undefined ? [] : [problem], `${ARGON2_MEMORY}, ${ARGON2_PASSES}`)
  }
})

t.test('.env.example holds every setting at its default', async (t) => {
  const text = await readFile(join(packageRoot, '.env.example'), 'utf8')
  t.equal(text, exampleEnvironment())
  const assignments = [...text.matchAll(/^# ([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value])
  t.same(
    assignments.map(([name]) => name),
    Object.keys(Settings.properties),
  )
  const env = Object.fromEntries(assignments.filter(([name]) => name !== 'SECRET_KEY'))
  // The file sets RATE_LIMIT, so the higher default of a service on loopback does not apply.
  t.same(loadConfig(env), { ...loadConfig({}), RATE_LIMIT: 60 })
})

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
