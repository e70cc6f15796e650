/** Does nothing, for so long that nothing else can be done. */
export function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
