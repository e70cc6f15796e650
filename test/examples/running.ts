import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { packageRoot } from '../../src/package.js'
import { temporaryFolder } from '../helper.js'

const DEADLINE_MS = 90_000
const EXAMPLES = join(packageRoot, 'examples')

/** Copies an example, and links its Node packages from the packages of the project. */
export async function exampleCopy(t: Test, name: string): Promise<string> {
  const folder = await temporaryFolder(t)
  cpSync(join(EXAMPLES, name), folder, { recursive: true })
  for (const [dependency, path] of Object.entries(packagesOf(name))) {
    if (path === undefined) continue
    const link = join(folder, 'node_modules', dependency)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(path, link, 'junction')
  }
  return folder
}

/** The paths of the packages in an example's package.json, in the exact version; undefined if not installed. */
export function packagesOf(name: string): Record<string, string | undefined> {
  const { dependencies } = readJson(join(EXAMPLES, name, 'package.json')) ?? {}
  const places = ['node_modules', join('test', 'node_modules')].map((place) => join(packageRoot, place))
  return Object.fromEntries(
    Object.entries(dependencies ?? {}).map(([dependency, version]) => {
      const paths = places.map((place) => join(place, dependency))
      return [dependency, paths.find((path) => readJson(join(path, 'package.json'))?.version === version)]
    }),
  )
}

function readJson(path: string) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** Whether a command exits with 0. */
export function runs(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Program {
  folder: string
  port: number
  settings?: Record<string, string>
}

/** Starts a program, waits until it responds on its port, and stops it after the test. */
export async function running(t: Test, [command = '', ...args]: string[], { folder, port, settings }: Program) {
  const env = { ...process.env, NODE_OPTIONS: '', ...settings }
  const child = spawn(command, args, { cwd: folder, env, stdio: 'pipe' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  const ended = new Promise((resolve) => child.on('close', resolve))
  t.teardown(async () => {
    // A signal to npm does not reach esbuild, which serves until its standard input ends.
    child.stdin.end()
    child.kill('SIGTERM')
    await ended
  })
  const address = `http://127.0.0.1:${port}`
  for (const deadline = Date.now() + DEADLINE_MS; ; await sleep(50)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${command} does not listen: ${output}`)
    const answer = await fetch(address).catch(() => undefined)
    if (answer !== undefined) return address
  }
}
