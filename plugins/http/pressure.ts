import underPressure from '@fastify/under-pressure'
import plugin from 'fastify-plugin'
import { Problem } from '../../src/problems.js'

const SAMPLED_EVERY_MS = 500

class Overloaded extends Problem {
  constructor() {
    super('overloaded')
  }
}

/** Turns requests away while the event loop is late: an answer at once is worth more than one that nobody waits for. */
export default plugin(
  async (app) => {
    const maxEventLoopDelay = app.config.MAX_EVENT_LOOP_DELAY
    if (maxEventLoopDelay === undefined) return
    await app.register(underPressure, {
      maxEventLoopDelay,
      sampleInterval: SAMPLED_EVERY_MS,
      customError: Overloaded,
    })
  },
  { name: 'pressure' },
)
