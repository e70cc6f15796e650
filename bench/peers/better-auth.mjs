import { createServer } from 'node:http'
import bcrypt from 'bcrypt'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import pg from 'pg'
import { HASH_COST, loadSqlite, ready } from './shared.mjs'

// Better Auth on its own tables in SQLite or PostgreSQL, with the same hash and the same durability. Its closest
// operations: get-session with the cookie cache for `verify`, get-session from the database for `me`, and sign-in.

const PEOPLE = 10
const PASSWORD = 'three quiet lanterns'

const [address] = process.argv.slice(2)
const options = {
  database: address.startsWith('postgres:') ? new pg.Pool({ connectionString: address }) : await openSqlite(address),
  secret: 'Zk7Wd2mX9qLr4TfBv8HsYc3NpJg6EuAa',
  baseURL: 'http://127.0.0.1',
  trustedOrigins: ['http://127.0.0.1'],
  telemetry: { enabled: false },
  logger: { disabled: true },
  rateLimit: { enabled: false },
  session: { cookieCache: { enabled: true, maxAge: 3_600 } },
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => bcrypt.hash(password, HASH_COST),
      verify: ({ password, hash: stored }) => bcrypt.compare(password, stored),
    },
  },
}
const { runMigrations } = await getMigrations(options)
await runMigrations()
const auth = betterAuth(options)

const people = []
for (let id = 1; id <= PEOPLE; id += 1) {
  const email = `user${id}@example.com`
  const answer = await auth.api.signUpEmail({
    body: { email, password: PASSWORD, name: `User ${id}` },
    asResponse: true,
  })
  const cookies = answer.headers.getSetCookie().map((cookie) => cookie.split(';')[0])
  const session = cookies.find((cookie) => cookie.includes('session_token'))
  people.push({ id, email, cookie: cookies.join('; '), sessionCookie: session })
}
const server = createServer(toNodeHandler(auth)).listen(0, '127.0.0.1', () => ready(server.address().port, people))

async function openSqlite(file) {
  const Sqlite = await loadSqlite()
  const database = new Sqlite(file)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  return database
}
