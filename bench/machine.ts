import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../src/package.js'
import { CONNECTIONS, generator } from './load.js'
import type { Tutorial } from './python.js'

const OURS = ['fastify', 'drizzle-orm', 'better-sqlite3', '@node-rs/bcrypt', 'pg']
const PEERS = ['better-auth', 'express', 'jsonwebtoken', 'hono', '@hono/node-server', 'jose']

/** A load average above this means that other programs use the machine. */
const BUSY = 1
const BUSY_REMARK = '. **It was busy: run this again on a quiet one before you believe a figure.**'

/** The machine and the versions of its software, as lines of text. */
export function describeMachine(tutorials: Tutorial[]): string[] {
  const [processor] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const [load = 0] = loadavg()
  return [
    `${new Date().toISOString().slice(0, 10)}; ${cpus().length} cores (${processor?.model.trim()}), ${memory} GiB, ${type()} ${release()}`,
    `Node ${process.version}; ${versions(OURS, packageRoot)}`,
    versions(PEERS, join(packageRoot, 'bench')),
    ...tutorials.map((tutorial) => tutorial.versions),
    `${generator}, ${CONNECTIONS} connections; load of the machine before: ${load.toFixed(2)}${load > BUSY ? BUSY_REMARK : ''}`,
  ]
}

function versions(names: string[], folder: string): string {
  const driver = join(packageRoot, 'sqlite-node20', 'node_modules')
  const paths = [...(createRequire(join(folder, 'package.json')).resolve.paths('any') ?? []), driver]
  return names.map((name) => `${name} ${versionOf(name, paths)}`).join(', ')
}

/** Read from the file itself: many packages do not export theirs. */
function versionOf(name: string, folders: string[]): string {
  for (const folder of folders) {
    try {
      return JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version
    } catch {
      // Try the parent folder.
    }
  }
  return '(none)'
}
