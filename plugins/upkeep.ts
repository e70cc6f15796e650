import plugin from 'fastify-plugin'
import { pruneAll, prunesOf } from '../src/accounts/prunes.js'
import { StoredCosts } from '../src/passwords/stored-costs.js'

/** The pause between two polls: a revocation takes effect in all processes within a second. */
const POLL_EVERY_MS = 400
const PRUNE_EVERY_MS = 10 * 60_000
const EXAMINED_EVERY_MS = 10_000
/** How soon an import into a running service is noticed. */
const COSTS_EVERY_MS = 60_000
/** The delay of the first sample after the start. */
const COSTS_FIRST_MS = 1_000

/** Background work: polls for revoked sessions and new keys, deletes expired rows, logs warnings. */
export default plugin(
  async (app) => {
    const { database, revocations, keys, idTokenKeys, knownClients, apiKeys, tokenRevocations } = app
    const costs = new StoredCosts(database, app.passwords)
    const prunes = prunesOf(app)
    const closing = new AbortController()
    let warning: string | undefined
    const stop = [
      repeat(POLL_EVERY_MS, async () => {
        // Polled before `revocations`: if one of these polls fails for five seconds, `revocations` is stale and every
        // token is refused.
        await Promise.all([knownClients.poll(), apiKeys.poll(), tokenRevocations.poll()])
        await revocations.poll()
        await Promise.all([keys.reload(), idTokenKeys.reload()])
        // Creates the key before the first log-in needs it.
        for (const algorithm of knownClients.idTokenAlgorithms()) await idTokenKeys.ensure(algorithm)
      }),
      repeat(PRUNE_EVERY_MS, () => pruneAll(prunes, closing.signal)),
      repeat(COSTS_EVERY_MS, () => costs.look(), COSTS_FIRST_MS),
      repeat(EXAMINED_EVERY_MS, async () => {
        const isNew = warning === undefined
        warning = database.warning() ?? keys.warning()
        if (isNew && warning !== undefined) app.log.warn(warning)
      }),
    ]
    app.addHook('onClose', async () => {
      closing.abort()
      await Promise.all(stop.map((stopOne) => stopOne()))
    })

    /**
     * Repeats `work`, with a pause after each run. Returns a function that stops the repetition and waits for the
     * current run.
     */
    function repeat(pauseMs: number, work: () => Promise<void>, firstMs = pauseMs): () => Promise<void> {
      let running = Promise.resolve()
      let isFailing = false
      const run = async () => {
        try {
          await work()
          if (isFailing) app.log.info('upkeep works again')
          isFailing = false
        } catch (error) {
          // Logged once: otherwise an outage of an hour would fill the log.
          if (!isFailing) app.log.warn({ err: error }, 'upkeep failed; retrying')
          isFailing = true
        }
        timer = setTimeout(start, pauseMs).unref()
      }
      const start = () => {
        running = run()
      }
      let timer = setTimeout(start, firstMs).unref()
      return async () => {
        clearTimeout(timer)
        await running
        clearTimeout(timer)
      }
    }
  },
  { name: 'upkeep', dependencies: ['database', 'events', 'sessions', 'oauth', 'accounts', 'mail'] },
)
