// On SQLite alone: how clients use the protocol; tokens.test.ts runs on both.

// Clients that only know the address of Latchkey: what they send, and how they read the responses.

import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { type Service, startService, temporaryFolder } from '../helper.js'
import { registerClient } from '../support/oauth.js'
import { freePort } from '../support/postgres-server.js'

t.setTimeout(120_000)

/** Debian's Python, for which the packages are installed. Another Python may come first in PATH. */
const PYTHON = '/usr/bin/python3'
const GO = '/usr/bin/go'
/** The folder of Debian's Go packages. */
const GO_PACKAGES = '/usr/share/gocode'
const HTTP = { [oauth.allowInsecureRequests]: true }
const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const JWK = { ...PAIR.publicKey.export({ format: 'jwk' }), kid: 'k1' }

t.test('openid-client authenticates in each way, introspects and revokes', async (t) => {
  const { issuer, secret, key } = await start(t)
  const ways: [string, string, openid.ClientAuth][] = [
    ['Basic', 'my-client_1', openid.ClientSecretBasic(secret)],
    ['body', 'my-client_1', openid.ClientSecretPost(secret)],
    ['private_key_jwt', 'signer', openid.PrivateKeyJwt({ key, kid: 'k1' })],
  ]
  for (const [name, id, auth] of ways) {
    const options = { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' as const }
    const config = await openid.discovery(new URL(issuer), id, {}, auth, options)
    const tokens = await openid.clientCredentialsGrant(config, { scope: 'invoices:read' })
    t.match(tokens, { token_type: 'bearer', scope: 'invoices:read', expires_in: 600 }, name)
    const seen = await openid.tokenIntrospection(config, tokens.access_token)
    t.match(seen, { active: true, client_id: id, scope: 'invoices:read' }, name)
    await openid.tokenRevocation(config, tokens.access_token)
    t.same(await openid.tokenIntrospection(config, tokens.access_token), { active: false }, name)
    const refused = await openid.clientCredentialsGrant(config, { scope: 'users:write' }).catch((error) => error)
    t.equal(refused.error, 'invalid_scope', name)
  }
})

t.test('oauth4webapi authenticates in each way, introspects and revokes', async (t) => {
  const { issuer, secret, key } = await start(t)
  const url = new URL(issuer)
  const found = await oauth.discoveryRequest(url, { ...HTTP, algorithm: 'oauth2' })
  const server = await oauth.processDiscoveryResponse(url, found)
  const ways: [string, oauth.ClientAuth][] = [
    ['my-client_1', oauth.ClientSecretBasic(secret)],
    ['my-client_1', oauth.ClientSecretPost(secret)],
    ['signer', oauth.PrivateKeyJwt({ key, kid: 'k1' })],
  ]
  for (const [client_id, auth] of ways) {
    const client = { client_id }
    const asked = await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: 'invoices:read' }, HTTP)
    const { access_token } = await oauth.processClientCredentialsResponse(server, client, asked)
    const look = async () => {
      const response = await oauth.introspectionRequest(server, client, auth, access_token, HTTP)
      return oauth.processIntrospectionResponse(server, client, response)
    }
    t.equal((await look()).active, true)
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, access_token, HTTP))
    t.equal((await look()).active, false)
  }
})

t.test('Authlib authenticates in each way and introspects', { skip: missing('authlib') }, async (t) => {
  const { issuer, secret, privateJwk } = await start(t)
  const script = `
import json, sys
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
issuer, secret, key = sys.argv[1:]
for method in ['client_secret_basic', 'client_secret_post']:
    session = OAuth2Session('my-client_1', secret, token_endpoint_auth_method=method, scope='invoices:read')
    token = session.fetch_token(issuer + '/v1/token', grant_type='client_credentials')
    seen = session.introspect_token(issuer + '/v1/introspect', token=token['access_token']).json()
    ended = session.revoke_token(issuer + '/v1/revoke', token=token['access_token']).status_code
    after = session.introspect_token(issuer + '/v1/introspect', token=token['access_token']).json()
    print(method, token['scope'], seen['active'], ended, after['active'])
signer = OAuth2Session('signer', json.loads(key), scope='invoices:read',
    token_endpoint_auth_method=PrivateKeyJWT(issuer + '/v1/token', alg='ES256'))
print('private_key_jwt', signer.fetch_token(issuer + '/v1/token', grant_type='client_credentials')['scope'])
`
  t.same(await python(script, issuer, secret, JSON.stringify(privateJwk)), [
    'client_secret_basic invoices:read True 200 False',
    'client_secret_post invoices:read True 200 False',
    'private_key_jwt invoices:read',
  ])
})

t.test('requests-oauthlib fetches a token for a service', { skip: missing('requests_oauthlib') }, async (t) => {
  const { issuer, secret } = await start(t)
  const script = `
import os, sys
os.environ['OAUTHLIB_INSECURE_TRANSPORT'] = '1'
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session
issuer, secret = sys.argv[1:]
for more in [{}, {'include_client_id': True}]:
    session = OAuth2Session(client=BackendApplicationClient('my-client_1', scope=['invoices:read']))
    token = session.fetch_token(issuer + '/v1/token', client_id='my-client_1', client_secret=secret, **more)
    print(token['token_type'], ' '.join(token['scope']))
`
  t.same(await python(script, issuer, secret), ['Bearer invoices:read', 'Bearer invoices:read'])
})

t.test('x/oauth2 of Go fetches a token for a client and sends it', { skip: missingGo() }, async (t) => {
  const { issuer, secret } = await start(t)
  const folder = await temporaryFolder(t)
  const file = join(folder, 'main.go')
  await writeFile(
    file,
    `package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	issuer, secret := os.Args[1], os.Args[2]
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{ClientID: "my-client_1", ClientSecret: secret, TokenURL: issuer + "/v1/token", AuthStyle: style}
		answer, err := config.Client(context.Background()).Get(issuer + "/v1/verify?scope=invoices:read")
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(answer.StatusCode, answer.Header.Get("X-Latchkey-Subject"))
	}
}
`,
  )
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: GO_PACKAGES, GOFLAGS: '', CGO_ENABLED: '0' }
  const seen = await run(GO, ['run', file, issuer, secret], env)
  t.same(seen.trim().split('\n'), Array(3).fill('204 my-client_1'))
})

t.test('curl sends the secret by Basic without encoding it', async (t) => {
  const { issuer, secret } = await start(t)
  const data = ['-d', 'grant_type=client_credentials']
  const answer = await run('curl', ['-s', '-u', `my-client_1:${secret}`, ...data, `${issuer}/v1/token`])
  t.match(JSON.parse(answer), { token_type: 'Bearer', scope: 'invoices:read' })
})

/** Why a test of a Python package is skipped; false if the package is installed. */
function missing(module: string): string | false {
  const { status } = spawnSync(PYTHON, ['-c', `import ${module}`])
  return status === 0 ? false : `${PYTHON} has no ${module}: apt-get install python3-${module.replace('_', '-')}`
}

async function python(script: string, ...args: string[]): Promise<string[]> {
  return (await run(PYTHON, ['-W', 'ignore', '-c', script, ...args])).trim().split('\n')
}

function missingGo(): string | false {
  const isThere = existsSync(GO) && existsSync(join(GO_PACKAGES, 'src/golang.org/x/oauth2/clientcredentials'))
  return isThere ? false : `no ${GO} with x/oauth2: apt-get install golang-go golang-golang-x-oauth2-dev`
}

async function run(command: string, args: string[], env = process.env): Promise<string> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (stdout === '') throw new Error(`${command} said nothing: ${stderr}`)
  return stdout
}

/**
 * A service on a port, whose issuer is its address, with a client that has a secret and a client that signs assertions.
 */
async function start(t: Test) {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const service: Service = await startService(t, { PUBLIC_URL: issuer })
  await service.app.listen({ port, host: '127.0.0.1' })
  const { secret } = await registerClient(service, 'my-client_1', { scope: 'invoices:read' })
  const signed = { token_endpoint_auth_method: 'private_key_jwt' as const, jwks: { keys: [JWK] } }
  await registerClient(service, 'signer', { scope: 'invoices:read', ...signed })
  const privateJwk = { ...PAIR.privateKey.export({ format: 'jwk' }), kid: 'k1' }
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', privateJwk, algorithm, false, ['sign'])
  return { issuer, secret, key, privateJwk }
}
