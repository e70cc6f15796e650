import plugin from 'fastify-plugin'
import { parseMailUrl } from '../src/config/mail-url.js'
import { MailBudgets } from '../src/mail/budgets.js'
import { MailComposer } from '../src/mail/composer.js'
import { MailDelivery } from '../src/mail/delivery.js'
import { openTransport } from '../src/mail/open-transport.js'
import { Outbox } from '../src/mail/outbox.js'
import { loadTemplates } from '../src/mail/templates.js'

declare module 'fastify' {
  interface FastifyInstance {
    mail: {
      /** The queue of pending mails. Always present; accepts nothing if mail is off. */
      outbox: Outbox
      /** Undefined if mail is off. */
      delivery: MailDelivery | undefined
    }
  }
}

/** Mail. A process that listens also sends mails. Commands only queue them. */
export default plugin(
  async (app) => {
    const { config, database, secret, events, oneTimeTokens: tokens, log } = app
    // Checked while mail is off too: a mistake should not wait until mail is turned on.
    const templates = loadTemplates(config.MAIL_TEMPLATES)
    const isOn = parseMailUrl(config.MAIL_URL).kind !== 'off'
    const outbox = new Outbox(database, { isOn, budgets: new MailBudgets(database, { secret, config }) })
    if (!isOn) return void app.decorate('mail', { outbox, delivery: undefined })

    const composer = new MailComposer({ database, config, outbox, templates, tokens })
    const delivery = new MailDelivery({
      database,
      outbox,
      composer,
      events,
      log,
      openTransport: () => openTransport(config),
    })
    app.decorate('mail', { outbox, delivery })
    app.addHook('onListen', async () => {
      if (config.MAIL_LINKS === '')
        log.info('mails contain codes but no links: there are no pages, and MAIL_LINKS is not set')
      delivery.start()
    })
    let stopped: Promise<void> | undefined
    // Runs in parallel with the drain of requests, which has the same time limit.
    app.addHook('preClose', async () => {
      stopped = delivery.stop(config.SHUTDOWN_TIMEOUT)
    })
    app.addHook('onClose', () => stopped ?? delivery.stop(0))
  },
  { name: 'mail', dependencies: ['database', 'sessions', 'events', 'one-time-tokens'] },
)
