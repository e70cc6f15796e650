// On SQLite alone: no database.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Child } from '../support/child.js'
import { projectCopy } from '../support/project.js'

// Two builds and three starts on a busy machine.
t.setTimeout(240_000)
const DEADLINE_MS = 90_000
const GREETING = 'Hello, FastAPI!'
const ADDED = `export default async (app) => {
  app.get('/added', { config: { public: true }, schema: { hide: true }, handler: async () => 'added' })
}
`

t.test('npm run dev survives a syntax error, restarts after the repair, and ends all of its processes', async (t) => {
  const folder = await projectCopy(t)
  const settings = { PORT: '0', BCRYPT_COST: '10', MAX_EVENT_LOOP_DELAY: 'off', npm_config_update_notifier: 'false' }
  const env = { PATH: process.env.PATH, HOME: folder, ...settings }
  // A new process group, as in a terminal: Ctrl-C interrupts every process of the group.
  const dev = spawn('npm', ['run', 'dev'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  t.teardown(() => interrupt('SIGKILL'))
  const child = new Child(dev, folder)
  const addresses = () => [...child.stderr.matchAll(/Latchkey listens on (http:\S+)/g)].map(([, address]) => address)
  const greeting = async () => (await fetch(`${addresses().at(-1)}/`)).json()

  await child.says(/Latchkey listens on/, DEADLINE_MS)
  t.same(await greeting(), { message: GREETING })

  const file = join(folder, 'routes', 'root.ts')
  const source = readFileSync(file, 'utf8')
  t.match(source, GREETING)
  writeFileSync(file, `${source}\nconst = mistake`)
  await child.says(/root\.ts:\d+:\d+[\s\S]*Not built/, DEADLINE_MS)
  t.same(await greeting(), { message: GREETING }, 'the last good build keeps running')
  t.equal(addresses().length, 1)

  writeFileSync(file, source.replaceAll(GREETING, 'Hello again!'))
  await until(() => addresses().length === 2)
  t.same(await greeting(), { message: 'Hello again!' })

  t.equal((await fetch(`${addresses().at(-1)}/added`)).status, 404)
  writeFileSync(join(folder, 'routes', 'v1', 'added.ts'), ADDED)
  await until(() => addresses().length === 3)
  const added = await fetch(`${addresses().at(-1)}/added`)
  t.equal(await added.text(), 'added', 'a new file is a new route')

  interrupt('SIGINT')
  await child.exit
  await t.rejects(greeting(), 'no process listens any more')
  await until(() => !isAlive())

  function interrupt(signal: NodeJS.Signals): void {
    if (isAlive()) process.kill(-child.pid, signal)
  }
  function isAlive(): boolean {
    try {
      return process.kill(-child.pid, 0)
    } catch {
      return false
    }
  }
})

async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('it never came')
    await sleep(20)
  }
}
