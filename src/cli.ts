#!/usr/bin/env node
import './node-version.js'

import { constants } from 'node:os'
import { CommandError } from './command-error.js'
import { main, reportFailure } from './command-line.js'
import { loadEnvironmentFile } from './config/environment.js'

// For process 1 of a container, the kernel ignores signals without a listener, so SIGTERM would do nothing. A command
// with its own listener (serve, once it has started) handles the signal itself.
if (process.pid === 1) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal])
    })
  }
}

// The reader may close the pipe early, as in `latchkey users list | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') reportFailure(new CommandError(`standard output cannot be written: ${error.message}`))
  process.exit()
})
// Nobody reads the messages any more, as in `latchkey copy ... 2>&1 | head`: what was begun is finished all the same.
process.stderr.on('error', () => undefined)

try {
  loadEnvironmentFile()
  await main(process.argv.slice(2))
} catch (error) {
  reportFailure(error)
}
