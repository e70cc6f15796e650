/** Blocks the event loop for a number of milliseconds. */
export function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
