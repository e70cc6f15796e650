import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Events } from '../audit/events.js'
import type { Database } from '../database/database.js'
import { mails } from '../telemetry/channels.js'
import type { MailComposer } from './composer.js'
import type { Outbox, OutboxRow } from './outbox.js'
import { definitionOf, isPurpose } from './purposes.js'
import { MailRefused, SEND_TIMEOUT_MS, type Transport } from './transport.js'

const AT_ONCE = 5
/** How soon mails that other processes or commands wrote, and delayed mails, are noticed. */
const POLL_EVERY_MS = 5_000
const FIRST_PAUSE_MS = 60_000
const LONGEST_PAUSE_MS = 3_600_000
/** How long the removal of a sent mail from the outbox is retried. If it fails, the mail is sent twice. */
const STRIKE_OFF_MS = 40_000
const STRIKE_OFF_EVERY_MS = 500

interface Dependencies {
  database: Database
  outbox: Outbox
  composer: MailComposer
  events: Events
  log: FastifyBaseLogger
  openTransport: () => Promise<Transport | undefined>
}

/** The outcome of a mail. */
type End = 'sent' | 'failed' | 'dropped'

/**
 * Sends the mails of the outbox, a few at a time, in a loop of its own. A short statement claims a mail, which is then
 * sent outside of any transaction. If a process dies between sending a mail and removing it, another process sends it
 * again with the same Message-ID.
 */
export class MailDelivery {
  readonly #dependencies: Dependencies
  readonly #cut = new AbortController()
  #transport: Transport | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isCalled = false
  #isFailing = false
  #isStopping = false

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** Starts to send due mails. */
  start(): void {
    this.#dependencies.outbox.onWritten(() => this.#wake())
    this.#wake()
  }

  /**
   * Takes no more mails, and waits this long for those being sent. Mails that are cut off are due at once for the next
   * process.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#timer)
    const cut = setTimeout(() => this.#cut.abort(), graceMs)
    await this.#running
    clearTimeout(cut)
  }

  /** Sends due mails, and resolves when no mail is due or being sent. */
  async deliverDue(): Promise<void> {
    const { outbox } = this.#dependencies
    const onTheirWay = new Set<Promise<void>>()
    try {
      for (;;) {
        const rows = this.#isStopping ? [] : await outbox.claim(AT_ONCE - onTheirWay.size)
        for (const row of rows) {
          const delivery = this.#deliver(row).finally(() => onTheirWay.delete(delivery))
          onTheirWay.add(delivery)
        }
        if (onTheirWay.size === 0) return
        if (rows.length === 0 || onTheirWay.size >= AT_ONCE) await Promise.race(onTheirWay)
      }
    } finally {
      await Promise.all(onTheirWay)
    }
  }

  /** Deletes old files of the transport. */
  async prune(): Promise<void> {
    await (await this.#open()).prune?.()
  }

  #wake(): void {
    if (this.#isStopping) return
    if (this.#running !== undefined) {
      this.#isCalled = true
      return
    }
    clearTimeout(this.#timer)
    this.#isCalled = false
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#isStopping) return
      if (this.#isCalled) this.#wake()
      else this.#timer = setTimeout(() => this.#wake(), POLL_EVERY_MS).unref()
    })
  }

  async #run(): Promise<void> {
    const { log } = this.#dependencies
    try {
      await this.deliverDue()
      if (this.#isFailing) log.info('the outbox can be read again')
      this.#isFailing = false
    } catch (error) {
      // Logged once: otherwise a database that is down for an hour would fill the log.
      if (!this.#isFailing) log.warn({ err: error }, 'the outbox cannot be read; retrying')
      this.#isFailing = true
    }
  }

  /** Never rejects: a failure of one mail must not stop the others. */
  async #deliver(row: OutboxRow): Promise<void> {
    try {
      await this.#attempt(row)
    } catch (error) {
      // The row is due again when its claim expires.
      this.#dependencies.log.error({ mail: row.id, err: error }, 'a mail could not be handled')
    }
  }

  async #attempt(row: OutboxRow): Promise<void> {
    const { composer } = this.#dependencies
    if (!isPurpose(row.purpose)) return this.#end(row, 'failed', 'unknown purpose')
    if (row.age > definitionOf(row.purpose).usefulMs) return this.#end(row, 'failed', 'too late')
    const mail = await composer.compose(row)
    if (mail === undefined) return this.#end(row, 'dropped')
    try {
      const transport = await this.#open()
      await transport.send(mail, AbortSignal.any([this.#cut.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]))
    } catch (error) {
      if (error instanceof MailRefused) return this.#end(row, 'failed', error.message)
      return this.#putOff(row, error as Error)
    }
    await this.#end(row, 'sent')
  }

  async #putOff(row: OutboxRow, { message }: Error): Promise<void> {
    const { outbox, log } = this.#dependencies
    const { id, purpose, attempts } = row
    const pauseMs = this.#cut.signal.aborted ? 0 : pauseAfter(attempts)
    mails.publish({ purpose, result: 'delayed' })
    log.warn({ mail: id, purpose, attempts, reason: message, again_in_s: pauseMs / 1_000 }, 'a mail is delayed')
    await outbox.postpone(row, pauseMs)
  }

  async #end(row: OutboxRow, end: End, reason?: string): Promise<void> {
    const { log } = this.#dependencies
    const { id, purpose } = row
    mails.publish({ purpose, result: end })
    const line = { mail: id, purpose, ...(reason !== undefined && { reason }) }
    if (end === 'failed') log.warn(line, 'a mail failed for good')
    else log.debug(line, `a mail was ${end}`)
    const deadline = performance.now() + STRIKE_OFF_MS
    for (;;) {
      try {
        return await this.#strikeOff(row, end, reason)
      } catch (error) {
        if (performance.now() > deadline || this.#cut.signal.aborted) throw error
        await sleep(STRIKE_OFF_EVERY_MS)
      }
    }
  }

  /** Removes the mail and records its event in one transaction. */
  #strikeOff(row: OutboxRow, end: End, reason?: string): Promise<void> {
    const { database, outbox, events } = this.#dependencies
    return database.transaction(async (db) => {
      if (!(await outbox.remove(db, row))) return
      const { purpose, userId } = row
      const event = { type: `mail.${end}` as const, userId, actorId: null }
      await events.record({ ...event, reason: reason === undefined ? purpose : `${purpose}: ${reason}` }, undefined, db)
    })
  }

  async #open(): Promise<Transport> {
    this.#transport ??= await this.#dependencies.openTransport()
    if (this.#transport === undefined) throw new Error('Mail is off')
    return this.#transport
  }
}

/** One minute, then twice as long each time, up to an hour. */
function pauseAfter(attempts: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 10), LONGEST_PAUSE_MS)
}
