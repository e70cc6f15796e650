import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ParsedMail, simpleParser } from 'mailparser'
import type { Test } from 'tap'
import { temporaryFolder } from '../helper.js'
import { makeCertificate } from '../mail/servers.js'
import { freePort } from '../support/postgres-server.js'
import { reaches, until } from '../support/replica.js'

const DAEMONS = '/usr/lib/postfix/sbin'
const NOBODY = 65534
const SERVICES = `
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
`

/** Why Postfix cannot run here; false if it can. */
export const NO_POSTFIX = !existsSync(join(DAEMONS, 'master'))
  ? 'Postfix is not installed'
  : process.getuid?.() === 0
    ? false
    : 'Postfix needs root'

export interface Postfix {
  port: number
  /** The mails that arrived for the domain example.org. */
  inbox(): Promise<ParsedMail[]>
  log(): Promise<string>
}

/** Postfix on loopback with STARTTLS. Accepts every recipient at example.org except `gone@`. */
export async function startPostfix(t: Test): Promise<Postfix> {
  const folder = await temporaryFolder(t)
  // Postfix's daemons run as another user.
  await chmod(folder, 0o755)
  const [conf, log] = [join(folder, 'conf'), join(folder, 'log')]
  for (const name of ['conf', 'queue', 'data', 'mail']) await mkdir(join(folder, name), { mode: 0o755 })
  const { key, cert } = await makeCertificate(t)
  await writeFile(join(conf, 'tls.pem'), Buffer.concat([key, cert]), { mode: 0o600 })
  const port = await freePort()
  const settings = {
    ...{ compatibility_level: '3.6', myhostname: 'mail.example.org', mydestination: '' },
    ...{ queue_directory: join(folder, 'queue'), data_directory: join(folder, 'data'), daemon_directory: DAEMONS },
    ...{ inet_protocols: 'ipv4', inet_interfaces: '127.0.0.1', mynetworks: '' },
    ...{ maillog_file: log, maillog_file_prefixes: folder, alias_maps: '', alias_database: '' },
    ...{ virtual_mailbox_domains: 'example.org', virtual_mailbox_base: join(folder, 'mail') },
    ...{ virtual_mailbox_maps: 'static:inbox/', virtual_minimum_uid: '100' },
    ...{ virtual_uid_maps: `static:${NOBODY}`, virtual_gid_maps: `static:${NOBODY}` },
    ...{ smtpd_tls_security_level: 'may', smtpd_tls_loglevel: '1', smtpd_tls_chain_files: join(conf, 'tls.pem') },
    smtpd_relay_restrictions: 'reject_unauth_destination',
    smtpd_recipient_restrictions:
      'check_recipient_access inline:{ {gone@example.org = 550 5.1.1 no such user} }, reject_unauth_destination',
  }
  await writeFile(join(conf, 'main.cf'), lines(Object.entries(settings).map(([name, value]) => `${name} = ${value}`)))
  await writeFile(join(conf, 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd${SERVICES}`)
  await chmod(join(folder, 'mail'), 0o777)
  execFileSync('chown', ['postfix', join(folder, 'data')])
  execFileSync('/usr/sbin/postfix', ['-c', conf, 'check'], { stdio: 'ignore' })
  const master = spawn(join(DAEMONS, 'master'), ['-c', conf, '-d'], { stdio: 'ignore' })
  const ended = new Promise((resolve) => master.on('close', resolve))
  t.teardown(async () => {
    master.kill('SIGTERM')
    await ended
  })
  await until(() => reaches(port))
  const files = join(folder, 'mail', 'inbox', 'new')
  return {
    port,
    log: () => readFile(log, 'utf8').catch(() => ''),
    async inbox() {
      const names = await readdir(files).catch(() => [])
      return Promise.all(names.sort().map(async (name) => simpleParser(await readFile(join(files, name)))))
    },
  }
}

function lines(texts: string[]): string {
  return `${texts.join('\n')}\n`
}
