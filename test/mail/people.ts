import type { Test } from 'tap'
import type { Config } from '../../src/config/config.js'
import type { OutgoingMail } from '../../src/mail/outbox.js'
import { PASSWORD, type Service, startService } from '../helper.js'
import type { MailServer } from './servers.js'

export const SENDER = 'Example <no-reply@example.com>'

/** A service that sends its mails to this server when a test calls `deliver`. */
export function startMailing(t: Test, server: MailServer, settings: Partial<Record<keyof Config, string>> = {}) {
  return startService(t, { MAIL_URL: `smtp://127.0.0.1:${server.port}`, MAIL_FROM: SENDER, ...settings })
}

/** Registers a user with an address. Returns the user's id. */
export async function register(service: Service, username: string, email: string): Promise<number> {
  const response = await service.post('/v1/register', { username, email, password: PASSWORD })
  if (response.statusCode !== 201) throw new Error(`register: ${response.statusCode} ${response.payload}`)
  return response.json().user.id
}

/** Writes a mail to the outbox in a transaction, as the service does. */
export function write({ app }: Service, mail: OutgoingMail): Promise<void> {
  return app.database.transaction((db) => app.mail.outbox.write(db, mail))
}

/** Sends all mails that are due. */
export async function deliver({ app }: Service): Promise<void> {
  if (app.mail.delivery === undefined) throw new Error('Mail is off')
  await app.mail.delivery.deliverDue()
}

/** The rows of the outbox. */
export function outboxOf({ app }: Service) {
  return app.database.db.select().from(app.database.tables.outbox)
}

/** Makes every mail in the outbox due, as if time had passed. */
export async function letTimePass({ app }: Service): Promise<void> {
  await app.database.db.update(app.database.tables.outbox).set({ dueAt: 0 })
}

/** The type and the reason of each event about mail. */
export async function mailEvents({ app }: Service): Promise<string[]> {
  const rows = await app.database.db.select().from(app.database.tables.events).orderBy(app.database.tables.events.id)
  return rows.filter(({ type }) => type.startsWith('mail.')).map(({ type, reason }) => `${type} ${reason}`)
}
