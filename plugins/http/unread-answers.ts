import plugin from 'fastify-plugin'
import { UnreadAnswers, WATCHED_BYTES } from '../../src/http/unread-answers.js'
import { addressOfClient, networksOf } from '../../src/networks.js'

const LOOKED_AT_EVERY_MS = 1_000

/** Limits responses that clients request but do not read: each occupies memory of this process. */
export default plugin(
  async (app) => {
    const answers = new UnreadAnswers()
    const timer = setInterval(() => answers.enforce(), LOOKED_AT_EVERY_MS).unref()
    app.addHook('onClose', async () => clearInterval(timer))
    app.addHook('onSend', (request, reply, payload, done) => {
      if (isLarge(payload)) {
        // Requests without a verified token are counted by network.
        const { userId } = (request.user ?? {}) as { userId?: number }
        const owner = userId === undefined ? networksOf(addressOfClient(request))[0].key : `user:${userId}`
        const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 'stream'
        answers.watch(reply.raw, owner, bytes)
      }
      done()
    })
  },
  { name: 'unread-answers' },
)

function isLarge(payload: unknown): boolean {
  if (payload === null || payload === undefined) return false
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length >= WATCHED_BYTES : true
}
