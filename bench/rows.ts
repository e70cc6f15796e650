import type { HttpRequest, Load } from './load.js'
import type { TutorialPeer } from './python.js'
import { PASSWORD } from './seed.js'
import type { Person } from './servers.js'

/** Sessions at the start of a round of refreshes: more than there are connections. */
const CHAINS = 64
const PAGE = 20

/** The rows of the table, in its order. */
export const ROWS = {
  verify: 'GET /v1/verify',
  me: 'GET /v1/me',
  list: `GET /v1/todos, ${PAGE} rows`,
  notModified: 'GET /v1/todos/:id, If-None-Match, 304',
  create: 'POST /v1/todos, durable',
  refresh: 'POST /v1/refresh, durable',
  login: 'POST /v1/login',
  loginArgon2id: 'POST /v1/login, argon2id',
} as const
export type Row = keyof typeof ROWS

/** The content of a seeded database. */
export interface Facts {
  users: number
  rows: number
}

const JSON_BODY = { 'content-type': 'application/json' }

/** The requests of a row, for Latchkey and for servers with the same paths. `round` selects unused refresh tokens. */
export function loadOf(row: Row, people: Person[], facts: Facts, round: number): Load {
  if (row === 'refresh') {
    const refresh = { method: 'POST', path: '/v1/refresh', headers: JSON_BODY, body: '{"refresh_token":"TOKEN"}' }
    const tokens = people.slice(round * CHAINS, (round + 1) * CHAINS).map((person) => person.refreshToken)
    return { requests: [refresh], tokens }
  }
  return { requests: people.map((person) => requestOf(row, person, facts)) }
}

function requestOf(row: Exclude<Row, 'refresh'>, person: Person, facts: Facts): HttpRequest {
  const headers = { authorization: person.authorization }
  switch (row) {
    case 'verify':
      return { method: 'GET', path: '/v1/verify', headers }
    case 'me':
      return { method: 'GET', path: '/v1/me', headers }
    case 'list':
      return { method: 'GET', path: `/v1/todos?limit=${PAGE}`, headers }
    case 'notModified': {
      const oldest = facts.rows - facts.users + person.id
      return { method: 'GET', path: `/v1/todos/${oldest}`, headers: { ...headers, 'if-none-match': '"1"' } }
    }
    case 'create': {
      const body = JSON.stringify({ title: 'Water the plants', description: 'The fern in the hall too' })
      return { method: 'POST', path: '/v1/todos', headers: { ...headers, ...JSON_BODY }, body }
    }
    case 'login':
    case 'loginArgon2id': {
      const body = JSON.stringify({ username: `user${person.id}`, password: PASSWORD })
      return { method: 'POST', path: '/v1/login', headers: JSON_BODY, body }
    }
  }
}

/** A user of Better Auth, with a session in the database and a signed copy of the session in a cookie. */
export interface CookiePerson {
  email: string
  cookie: string
  sessionCookie: string
}

/** The closest operations of Better Auth, which has no owned rows and no refresh tokens. */
export function betterAuthLoad(row: Row, people: CookiePerson[]): Load | undefined {
  const path = '/api/auth/get-session'
  if (row === 'verify') return { requests: people.map(({ cookie }) => ({ method: 'GET', path, headers: { cookie } })) }
  if (row === 'me') {
    return { requests: people.map(({ sessionCookie: cookie }) => ({ method: 'GET', path, headers: { cookie } })) }
  }
  if (row !== 'login') return undefined
  return {
    requests: people.map(({ email }) => ({
      method: 'POST',
      path: '/api/auth/sign-in/email',
      headers: { ...JSON_BODY, origin: 'http://127.0.0.1' },
      body: JSON.stringify({ email, password: PASSWORD }),
    })),
  }
}

/** The closest operations of the tutorials in Python. */
export function tutorialLoad(peer: TutorialPeer, row: Row, people: Person[]): Load | undefined {
  const requests = { fastapi: fastapiRequests, flask: flaskRequests }[peer](row, people)
  return requests && { requests }
}

/** This tutorial has no rows, and queries the user of each token. */
function fastapiRequests(row: Row, people: Person[]): HttpRequest[] | undefined {
  if (row === 'verify' || row === 'me') {
    return people.map(({ authorization }) => ({ method: 'GET', path: '/users/me', headers: { authorization } }))
  }
  if (row !== 'login') return undefined
  return people.map(({ id }) => ({
    method: 'POST',
    path: '/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ username: `user${id}`, password: PASSWORD }).toString(),
  }))
}

/**
 * This tutorial has no route for the caller's own account. Its list has no pages, so the user who lists creates no
 * rows.
 */
function flaskRequests(row: Row, people: Person[]): HttpRequest[] | undefined {
  const path = '/tutorials'
  const half = people.length / 2
  if (row === 'list') {
    return people.slice(0, half).map(({ authorization }) => ({ method: 'GET', path, headers: { authorization } }))
  }
  if (row === 'create') {
    const body = JSON.stringify({ name: 'Water the plants', description: 'The fern in the hall too' })
    return people.slice(half).map(({ authorization }) => {
      return { method: 'POST', path, headers: { authorization, ...JSON_BODY }, body }
    })
  }
  if (row !== 'login') return undefined
  return people.map(({ id }) => ({
    method: 'POST',
    path: '/login',
    headers: JSON_BODY,
    body: JSON.stringify({ email: `user${id}@example.com`, password: PASSWORD }),
  }))
}
