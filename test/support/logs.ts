import type { FastifyInstance } from 'fastify'
import { symbols } from 'pino'

/** Secrets that no log may have: access and refresh tokens, client secrets, API keys, hashes, private keys. */
const SECRET = /eyJ[\w-]{8,}\.[\w-]+|lk[rstk]_[\w-]{8,}|\$bcrypt|\$2[aby]\$|"d":"|PRIVATE KEY/

/** Makes a service log into memory at every level. Returns a function that returns the lines since its last call. */
export function catchLogs(app: FastifyInstance): () => string {
  if (Reflect.get(app.log, symbols.streamSym) === undefined) throw new Error('This service has no log to search')
  let lines: string[] = []
  Reflect.set(app.log, symbols.streamSym, { write: (line: string) => lines.push(line) })
  app.log.level = 'trace'
  return () => {
    const taken = lines.join('')
    lines = []
    return taken
  }
}

/** The first line of a log with a secret in it: text that looks like one, or one of these. */
export function findSecret(log: string, secrets: Iterable<string> = []): string | undefined {
  const known = [...secrets]
  if (!SECRET.test(log) && !known.some((secret) => log.includes(secret))) return undefined
  return log.split('\n').find((line) => SECRET.test(line) || known.some((secret) => line.includes(secret)))
}
