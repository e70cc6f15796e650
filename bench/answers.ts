import { writeFileSync } from 'node:fs'
import { loadOf, type Row } from './rows.js'
import type { Seeded } from './seed.js'
import type { Server } from './servers.js'

const CAPTURED = ['verify', 'me', 'list', 'notModified', 'create'] as const satisfies Row[]
const EXPECTED: Record<(typeof CAPTURED)[number], number> = {
  verify: 204,
  me: 200,
  list: 200,
  notModified: 304,
  create: 201,
}
/** Headers that Node adds to every response. */
const NOT_OURS = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding']

/** Saves one of Latchkey's responses to each request in a file, so that the bare servers send the same bytes. */
export async function captureAnswers(server: Server, seeded: Seeded, file: string): Promise<void> {
  const answers = []
  for (const name of CAPTURED) {
    const [request] = loadOf(name, seeded.people, seeded, 0).requests
    if (request === undefined) throw new Error('There is nobody to ask as')
    const { method, path, headers = {}, body = null } = request
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method, headers, body })
    if (response.status !== EXPECTED[name]) throw new Error(`${name}: ${response.status} ${await response.text()}`)
    const kept = [...response.headers].filter(([header]) => !NOT_OURS.includes(header))
    const url = path.replace(/\?.*/, '').replace(/\d+$/, ':id')
    const text = await response.text()
    answers.push({ name, method, path: url, status: response.status, headers: Object.fromEntries(kept), body: text })
  }
  writeFileSync(file, JSON.stringify(answers))
}
