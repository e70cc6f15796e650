import { execFileSync } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../helper.js'
import { latchkey, serving } from '../support/child.js'
import { createDatabase, onServer, postgresSettings } from '../support/databases.js'
import { PostgresServer } from '../support/postgres-server.js'
import { register } from './walk.js'

t.setTimeout(120_000)

const skip = spawnable('openssl') ? false : 'openssl is not installed'

t.test('PostgreSQL over TLS', { skip }, async (t) => {
  const good = await makeCertificate(t, 'localhost')
  const other = await makeCertificate(t, 'localhost')
  const server = await PostgresServer.create()
  t.teardown(() => server.remove())
  const url = await createDatabase(t, server.url)
  await server.encrypt(good)

  const settingsWith = (parameters: Record<string, string>) => {
    const address = new URL(url)
    address.hostname = 'localhost'
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value)
    return { ...postgresSettings(address.href), PUBLIC_URL: 'http://latchkey.test' }
  }

  t.test('with sslmode=verify-full and the right CA, every connection is encrypted', async (t) => {
    const settings = settingsWith({ sslmode: 'verify-full', sslrootcert: good.certificate })
    const service = await serving(t, { settings })
    await register(service, 'mina')
    const rows = await onServer(
      server.url,
      "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'latchkey'",
    )
    t.ok(rows.length > 0)
    t.ok(rows.every(({ ssl }) => ssl === true))
    t.equal(await service.stop(), 0)
  })

  t.test('a certificate of another CA is rejected, and the error says so', async (t) => {
    const settings = settingsWith({ sslmode: 'verify-full', sslrootcert: other.certificate })
    const command = await latchkey(t, ['serve'], { settings: { ...settings, PORT: '0' } })
    t.equal(await command.exit, 1)
    t.match(command.stderr, /^latchkey: The database .* cannot be used: .*certificate/m)
    t.notMatch(command.stderr, /\n\s+at /)
  })
})

function spawnable(command: string): boolean {
  try {
    execFileSync(command, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function makeCertificate(t: Test, name: string): Promise<{ certificate: string; key: string }> {
  const folder = await temporaryFolder(t)
  await chmod(folder, 0o755)
  const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  execFileSync('openssl', ['req', '-x509', ...curve, '-days', '1', ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  })
  return { certificate, key }
}
