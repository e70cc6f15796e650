import type { Rates, Size } from './measure.js'
import { OURS } from './ours.js'
import type { Results } from './results.js'
import { ROWS, type Row } from './rows.js'
import { targets } from './targets.js'

/** The results as Markdown: the rate of each contestant, Latchkey's advantage over it, and the targets. */
export function report(results: Results): string {
  const { machine, plan, rates, flood, sizes, coldStarts } = results
  const { 'node:http alone': node = Number.NaN, 'Fastify, hello world': hello = Number.NaN } = rates.limits ?? {}
  const sections = [
    '# How fast',
    'Made by `npm run bench` (bench/README.md says what is compared with what). One run, everything side by side, in turn.',
    machine.map((line) => `- ${line}`).join('\n') +
      `\n- medians of ${plan.rounds} rounds of ${plan.seconds} s each` +
      `\n- what the load generator gets out of node:http alone: ${whole(node)} requests/s; out of Fastify's hello world: ${whole(hello)}`,
    '## Requests a second',
    'In brackets: how many times that Latchkey does, with its log off.',
    ratesTable(rates, plan.rows),
    ...(plan.failures.length > 0 ? [`Answered with an error, and not counted: ${plan.failures.join('; ')}.`] : []),
    '## Milliseconds and MiB',
    otherTable(results),
    ...(sizes.length > 0 ? ['## The list, by how many rows there are', sizesTable(sizes)] : []),
    '## Targets',
    targets(results)
      .map(({ isMet, text }) => `- ${isMet ? 'met' : '**missed**'}: ${text}`)
      .join('\n'),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`

  function otherTable({ memoryAtRest, memoryUnderLoad }: Results): string {
    const names = Object.keys(memoryAtRest)
    const cold = new Map(coldStarts.map(({ name, ms }) => [name, ms]))
    const floods = new Map(flood.map((each) => [each.name, each]))
    return table([
      ['', 'MiB at rest', 'MiB after the load', 'list p99, quiet', 'list p99, log-ins flood', 'start to first answer'],
      ...names.map((name) => [
        name,
        whole(memoryAtRest[name]),
        whole(memoryUnderLoad[name]),
        tenths(floods.get(name)?.quietMs),
        tenths(floods.get(name)?.floodedMs),
        whole(cold.get(name === OURS ? 'Latchkey' : name)),
      ]),
    ])
  }
}

function ratesTable(rates: Rates, rows: Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(rates[row] ?? {})))]
  return table([
    ['', ...names],
    ...rows.map((row) => {
      const ours = rates[row]?.[OURS] ?? Number.NaN
      return [ROWS[row], ...names.map((name) => cell(rates[row]?.[name], ours, name))]
    }),
  ])
}

function cell(rate: number | undefined, ours: number, name: string): string {
  if (rate === undefined) return '–'
  const shown = rate < 100 ? rate.toFixed(1) : whole(rate)
  return name === OURS ? `**${shown}**` : `${shown} (${(ours / rate).toFixed(2)})`
}

function sizesTable(sizes: Size[]): string {
  return table([
    ['rows', ...sizes.map(({ engine, rows }) => `${whole(rows)}${engine === 'SQLite' ? '' : `, ${engine}`}`)],
    ['requests/s', ...sizes.map(({ perSecond }) => whole(perSecond))],
  ])
}

function table([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

function whole(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en')
}

function tenths(value: number | undefined): string {
  if (value === undefined) return '–'
  return value === Number.POSITIVE_INFINITY ? 'no answer' : value.toFixed(1)
}
