// On SQLite alone: other services verify tokens without the database.

import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { encode, es256, type Forge, hmac, openForge, sealed, token } from '../support/forge.js'
import { startListening } from '../support/listening.js'
import { exampleCopy, freePort, packagesOf, running, runs } from './running.js'

// Examples that verify tokens offline, each in its own runtime. No example may accept a token that Latchkey rejects.

t.setTimeout(240_000)

const PYTHON = '/usr/bin/python3'
const GO = '/usr/bin/go'
/** Debian's golang-github-golang-jwt-jwt-dev. */
const GO_JWT = '/usr/share/gocode/src/github.com/golang-jwt/jwt'

interface Example {
  command: (port: number, folder: string) => string[]
  /** Why the example cannot run here, or false. */
  skip: string | false
}

const node = (name: string): Example => ({
  command: () => [process.execPath, 'server.js'],
  skip: Object.values(packagesOf(name)).includes(undefined) && `examples/${name} needs packages that are not installed`,
})
const python = (args: string[], modules: string): Example => ({
  command: (port) => [PYTHON, '-m', ...args, '--port', String(port)],
  skip: !runs(PYTHON, '-c', `import ${modules}`) && `${PYTHON} has not all of ${modules}`,
})

const EXAMPLES: Record<string, Example> = {
  express: node('express'),
  fastify: node('fastify'),
  hono: node('hono'),
  fastapi: python(['uvicorn', 'main:app'], 'fastapi, jwt, cryptography, uvicorn'),
  flask: python(['flask', 'run'], 'flask, authlib, cryptography, requests'),
  go: {
    command: (_port, folder) => [join(folder, 'api')],
    skip:
      !(existsSync(GO) && existsSync(GO_JWT)) && `no ${GO} with golang-jwt: apt-get install golang-go ...-jwt-jwt-dev`,
  },
}

for (const [name, { command, skip }] of Object.entries(EXAMPLES)) {
  t.test(`the ${name} example accepts valid access tokens and nothing else`, { skip }, async (t) => {
    const [here, port] = [await freePort(), await freePort()]
    const PUBLIC_URL = `http://127.0.0.1:${here}`
    const { service } = await startListening(t, { PORT: String(here), PUBLIC_URL })
    const mina = await service.signUp('mina')
    const joon = await service.signUp('joon')
    const folder = await exampleCopy(t, name)
    if (name === 'go') await buildGo(folder)
    const settings = { LATCHKEY: PUBLIC_URL, PORT: String(port) }
    const address = await running(t, command(port, folder), { folder, port, settings })
    const hello = (authorization?: string) =>
      fetch(`${address}/hello`, authorization === undefined ? {} : { headers: { authorization } })

    for (const person of [mina, joon]) {
      const answer = await hello(`Bearer ${person.token}`)
      t.equal(answer.status, 200)
      t.same(await answer.json(), { user_id: String(person.id), role: 'user' })
    }
    t.equal((await hello(`bearer ${mina.token}`)).status, 200, 'the scheme is case-insensitive')
    for (const [what, forged] of Object.entries(forgeries(await openForge(service, mina), PUBLIC_URL))) {
      const { status, headers } = await hello(forged)
      t.equal(status, 401, what)
      t.match(headers.get('www-authenticate'), /^Bearer/, what)
    }
    t.equal((await hello(`Bearer ${mina.token}`)).status, 200, 'a valid token is still accepted')
  })
}

/** Authorization headers that every example must reject. */
function forgeries(forge: Forge, issuer: string): Record<string, string | undefined> {
  const now = Math.floor(Date.now() / 1_000)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [head, , signature] = forge.token.split('.')
  const tokens = {
    'a refresh token': forge.refreshToken,
    'not a JWT': 'x',
    expired: token(forge, { iat: now - 900, exp: now - 300 }),
    'without an expiry': token(forge, { exp: undefined }),
    'of another issuer': token(forge, { iss: 'https://evil.test' }),
    'without an issuer': token(forge, { iss: undefined }),
    'for another service': token(forge, { aud: 'https://other.test' }),
    'with the audience of the tutorials': token(forge, { aud: `${issuer}/compat`, role: undefined }, { typ: 'JWT' }),
    'of another type': token(forge, {}, { typ: 'JWT' }),
    'an ID token': token(forge, { aud: 'app' }, { typ: 'JWT' }),
    'without a type': token(forge, {}, { typ: undefined }),
    'without a signature': `${sealed({ ...forge, seal: () => Buffer.alloc(0) }, encode(forge.claims), { alg: 'none' })}`,
    'signed with the public key': sealed({ ...forge, seal: hmac('sha256', forge.pem) }, encode(forge.claims), {
      alg: 'HS256',
    }),
    'signed with another key': sealed({ ...forge, seal: es256(privateKey) }, encode(forge.claims)),
    'with an unknown key': sealed({ ...forge, kid: 'x', seal: es256(privateKey) }, encode(forge.claims)),
    'signed with the key in its header': sealed({ ...forge, seal: es256(privateKey) }, encode(forge.claims), {
      jwk: JSON.parse(forge.jwk),
    }),
    'with other claims': `${head}.${encode({ ...forge.claims, sub: '2' })}.${signature}`,
  }
  const asBearer = Object.entries(tokens).map(([what, text]) => [what, `Bearer ${text}`])
  return {
    ...Object.fromEntries(asBearer),
    'no header': undefined,
    'no scheme': forge.token,
    'another scheme': `Basic ${forge.token}`,
  }
}

/** Builds without the network: the only package comes from Debian. */
async function buildGo(folder: string): Promise<void> {
  await appendFile(join(folder, 'go.mod'), `\nreplace github.com/golang-jwt/jwt/v4 => ${GO_JWT}\n`)
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOSUMDB: 'off' }
  execFileSync(GO, ['build', '-o', 'api', '.'], { cwd: folder, env, stdio: 'pipe' })
}
