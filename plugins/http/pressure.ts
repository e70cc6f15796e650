import underPressure from '@fastify/under-pressure'
import plugin from 'fastify-plugin'
import { Problem } from '../../src/problems.js'

const SAMPLED_EVERY_MS = 500

class Overloaded extends Problem {
  constructor() {
    super('overloaded')
  }
}

/** Answers 503 while the event loop lags: a fast refusal is better than a response after the client has given up. */
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
