let end: Promise<void> | undefined

/**
 * Resolves at the end of this turn of the event loop, when everything that had arrived has been read. Answers that then
 * leave together cost less than each on its way: the kernel wakes a client for the first of them alone.
 */
export function endOfTurn(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = undefined
      resolve()
    })
  })
  return end
}
