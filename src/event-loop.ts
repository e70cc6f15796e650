let end: Promise<void> | undefined

/**
 * Resolves at the end of this tick of the event loop, when all input that has arrived was read. Writing the responses
 * of one tick together saves wake-ups of the client.
 */
export function endOfTick(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = undefined
      resolve()
    })
  })
  return end
}
