/** Response times in milliseconds, and the number of responses by status. */
export class Latencies {
  readonly #ms: number[] = []
  readonly statuses: Record<string, number> = {}
  /** Requests without a response: the connection was refused, reset or cut. */
  readonly failures: string[] = []

  async ask(request: () => Promise<{ status: number }>): Promise<void> {
    const startedAt = performance.now()
    try {
      const { status } = await request()
      this.#ms.push(performance.now() - startedAt)
      this.statuses[status] = (this.statuses[status] ?? 0) + 1
    } catch (error) {
      this.failures.push(String((error as Error).cause ?? error))
    }
  }

  get count(): number {
    return this.#ms.length
  }

  quantile(share: number): number {
    const sorted = [...this.#ms].sort((a, b) => a - b)
    return Math.round(10 * (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)) / 10
  }

  toString(): string {
    const statuses = Object.entries(this.statuses).map(([status, count]) => `${count} x ${status}`)
    return `${statuses.join(', ')}; p50 ${this.quantile(0.5)} ms, p99 ${this.quantile(0.99)} ms`
  }
}

/** Runs `work` in `parallel` loops until `isOver`. */
export async function repeatedly(parallel: number, isOver: () => boolean, work: (lane: number) => Promise<void>) {
  const lane = async (_: unknown, index: number) => {
    while (!isOver()) await work(index)
  }
  await Promise.all(Array.from({ length: parallel }, lane))
}

/** Returns a function that is true once this many milliseconds have passed. */
export function after(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() > end
}
