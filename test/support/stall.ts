/** Blocks the event loop for so many milliseconds. */
export function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
