import { AsyncLocalStorage } from 'node:async_hooks'
import { Readable } from 'node:stream'
import { main, reportFailure } from '../../src/command-line.js'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/**
 * The output of the current call. What tap prints meanwhile is outside of the call, and goes to the original stream.
 */
const calls = new AsyncLocalStorage<Ended>()
for (const name of ['stdout', 'stderr'] as const) {
  const stream = process[name]
  const write = stream.write.bind(stream)
  stream.write = (chunk: Uint8Array | string, ...rest: never[]): boolean => {
    const call = calls.getStore()
    if (call === undefined) return write(chunk, ...rest)
    call[name] += chunk
    return true
  }
}

interface Surroundings {
  settings: NodeJS.ProcessEnv
  /** The working directory. */
  folder?: string
  /** Standard input. */
  input?: string
}

let last: Promise<unknown> = Promise.resolve()

/**
 * Runs the command line in this process, which saves half a second for another process. A process has one environment,
 * one working directory and one standard input, so calls run one after the other.
 */
export function call(args: string[], surroundings: Surroundings): Promise<Ended> {
  const ended = last.then(() => callNow(args, surroundings))
  last = ended
  return ended
}

async function callNow(args: string[], { settings, folder = '.', input = '' }: Surroundings): Promise<Ended> {
  const { env, exitCode, stdin } = process
  const home = process.cwd()
  process.chdir(folder)
  Object.assign(process, { env: { PATH: env.PATH, ...settings }, exitCode: undefined })
  Object.defineProperty(process, 'stdin', { value: Readable.from([input]), configurable: true })
  const call: Ended = { code: 0, stdout: '', stderr: '' }
  await calls.run(call, () => main(args).catch(reportFailure))
  call.code = Number(process.exitCode ?? 0)
  process.chdir(home)
  Object.assign(process, { env, exitCode })
  Object.defineProperty(process, 'stdin', { value: stdin, configurable: true })
  return call
}
