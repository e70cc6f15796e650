import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mailbox } from '../../config/mail-url.js'
import type { Mail, Transport } from '../transport.js'
import { mimeOf, NO_REACHING_OUT } from './mime.js'

const KEPT_MS = 86_400_000
/** The names of this transport's files, so that it deletes no others. */
const NAME = /^mail-[a-z_]+-[0-9a-f-]{36}\.eml(\.part)?$/

/**
 * Writes each mail to a file that mail programs can open. The links in the files log in, so only the owner can read the
 * files.
 */
export class FilesTransport implements Transport {
  readonly #folder: string
  readonly #from: Mailbox

  constructor(folder: string, from: Mailbox) {
    this.#folder = folder
    this.#from = from
  }

  async send(mail: Mail): Promise<void> {
    const { createTransport } = await import('nodemailer')
    const composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' }, NO_REACHING_OUT)
    const { message } = await composer.sendMail(mimeOf(mail, this.#from))
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    // The same name at each attempt. The rename makes the file appear complete.
    const file = join(this.#folder, `mail-${mail.purpose}-${mail.id}.eml`)
    await rm(`${file}.part`, { force: true })
    await writeFile(`${file}.part`, message as Buffer, { mode: 0o600, flag: 'wx' })
    await rename(`${file}.part`, file)
  }

  /** Deletes mails that are older than a day. */
  async prune(): Promise<void> {
    const names = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    })
    const oldest = Date.now() - KEPT_MS
    for (const name of names.filter((name) => NAME.test(name))) {
      const file = join(this.#folder, name)
      // Another process may delete it first.
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: oldest }))
      if (mtimeMs < oldest) await rm(file, { force: true })
    }
  }
}
