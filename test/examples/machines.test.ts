// On SQLite alone: the scripts and workers only use the HTTP API.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'
import { startListening } from '../support/listening.js'
import { registerClient } from '../support/oauth.js'

t.setTimeout(120_000)

const run = promisify(execFile)
const EXAMPLES = join(packageRoot, 'examples')

t.test('the worker lists accounts with its own token, and fails without its secret or its scope', async (t) => {
  const { service, address } = await startListening(t)
  await service.signUp('mina')
  const reader = await registerClient(service, 'worker', { scope: 'users:read' })
  const other = await registerClient(service, 'other', { scope: 'invoices:read' })
  const worker = (id: string, secret: string, scope = 'users:read') =>
    run(process.execPath, [join(EXAMPLES, 'worker', 'worker.js')], {
      env: { PATH: process.env.PATH, LATCHKEY: address, CLIENT_ID: id, CLIENT_SECRET: secret, SCOPE: scope },
    })
  t.match((await worker(reader.id, reader.secret)).stdout, /^\d+ mina$/m)
  await t.rejects(worker(reader.id, 'wrong'), /no token: invalid_client/)
  await t.rejects(worker(other.id, other.secret), /no token: invalid_scope/)
  await t.rejects(worker(other.id, other.secret, 'invoices:read'), /403/)
})

t.test('the script prints the todos of the owner of the API key until the key is revoked', async (t) => {
  const { service, address } = await startListening(t)
  const [mina, joon] = [await service.signUp('mina'), await service.signUp('joon')]
  await mina.post('/v1/todos', { title: 'of mina' })
  await joon.post('/v1/todos', { title: 'of joon' })
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const made = await mina.post('/v1/me/api-keys', { name: 'script', scope: 'todos:read', expires_at })
  t.equal(made.statusCode, 201)
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'latchkey-key'), `${made.json().key}\n`)
  const script = () =>
    run(join(EXAMPLES, 'api-key', 'todos.sh'), { cwd: folder, env: { PATH: process.env.PATH, LATCHKEY: address } })
  const { stdout } = await script()
  t.match(stdout, 'of mina')
  t.notMatch(stdout, 'of joon')
  t.equal((await mina.delete(`/v1/me/api-keys/${made.json().id}`)).statusCode, 204)
  await t.rejects(script(), /401/)
})
