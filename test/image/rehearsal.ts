import { execFile, spawn } from 'node:child_process'
import { cp, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../src/package.js'
import { contextFiles } from './context.js'
import { environmentOf, type Stage, type Step, stepsOf } from './dockerfile.js'

const run = promisify(execFile)

/** Folders of the base image, mounted read-only from this machine instead. */
const BORROWED = ['usr', 'bin', 'sbin', 'lib', 'lib64', 'etc']
const DEVICES = ['null', 'zero', 'random', 'urandom', 'full']
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const STEP_TIMEOUT_MS = 240_000
/** The certificate of the registry may be trusted on this machine only. */
const CERTIFICATES = process.env.NODE_EXTRA_CA_CERTS

/** Why the steps of a Dockerfile cannot run here; undefined if they can. */
export async function reasonNotToRehearse(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root, for chroot and mounts'
  const probe = ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']
  return run('unshare', probe).then(
    () => undefined,
    () => 'needs namespaces and mounts of its own, which this machine does not allow',
  )
}

/**
 * Runs a Dockerfile without a container engine: each stage is a folder, and each RUN a chroot into that folder with its
 * own namespaces. The base image is this machine's /usr with Node 24 in /usr/local, as in the official image.
 */
export class Rehearsal {
  private constructor(
    readonly folder: string,
    readonly stages: Stage[],
  ) {}

  static async build(stages: Stage[], folder: string): Promise<Rehearsal> {
    const rehearsal = new Rehearsal(folder, stages)
    const node = await installNode24(join(folder, 'node'))
    for (const [index, stage] of stages.entries()) {
      await rehearsal.#prepare(index, node)
      let workingFolder = '/'
      for (const step of stage.steps) {
        if (step.keyword === 'WORKDIR') {
          workingFolder = step.words[0] ?? '/'
          await mkdir(rehearsal.path(workingFolder, index), { recursive: true })
        } else if (step.keyword === 'COPY') await rehearsal.#copy(step, index, workingFolder)
        else if (step.keyword === 'RUN') await rehearsal.#runStep(step, index, workingFolder)
      }
    }
    return rehearsal
  }

  get image(): Stage {
    const stage = this.stages.at(-1)
    if (stage === undefined) throw new Error('The Dockerfile has no stage')
    return stage
  }

  /** The path on this machine of a path in the image, or in an earlier stage. */
  path(path: string, index = this.stages.length - 1): string {
    const root = this.#root(index)
    return path.startsWith('/usr/local') ? join(`${root}.local`, path.slice('/usr/local'.length)) : join(root, path)
  }

  #root(index: number): string {
    return join(this.folder, `stage${index}`)
  }

  /**
   * Runs a command as a container of the image would: as process 1 and the image's user, without capabilities, and with
   * /data as the only writable folder.
   */
  spawn(args: string[], settings: Record<string, string> = {}) {
    const [user = ''] = stepsOf(this.image, 'USER')[0]?.words ?? []
    const [uid, gid] = user.split(':')
    const drop = ['--clear-groups', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all']
    const command = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, ...drop, '--', ...args]
    const volumes = stepsOf(this.image, 'VOLUME').flatMap(({ words }) => words)
    return spawn('unshare', this.#inside(this.stages.length - 1, command, { volumes }), {
      env: { PATH, ...environmentOf(this.image), ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** ENTRYPOINT, followed by CMD. */
  get command(): string[] {
    return [...(stepsOf(this.image, 'ENTRYPOINT')[0]?.words ?? []), ...(stepsOf(this.image, 'CMD')[0]?.words ?? [])]
  }

  async #prepare(index: number, node: string): Promise<void> {
    const root = this.#root(index)
    await mkdir(root, { recursive: true })
    for (const name of BORROWED) {
      const stat = await lstat(`/${name}`).catch(() => undefined)
      if (stat?.isSymbolicLink()) await symlink(`usr/${name}`, join(root, name))
      else if (stat) await mkdir(join(root, name))
    }
    for (const name of ['proc', 'dev', 'tmp', 'root']) await mkdir(join(root, name))
    for (const name of DEVICES) await writeFile(join(root, 'dev', name), '')
    await cp(node, `${root}.local`, { recursive: true, verbatimSymlinks: true })
  }

  async #copy({ words, flags }: Step, index: number, workingFolder: string): Promise<void> {
    const sources = words.slice(0, -1)
    const target = this.path(join(workingFolder, words.at(-1) ?? ''), index)
    const from = this.stages.findIndex(({ name }) => name === flags.from)
    await mkdir(target, { recursive: true })
    for (const source of sources) {
      if (flags.from !== undefined) await copyInto(this.path(source, from), target)
      else {
        for (const file of await contextFiles(source)) {
          // COPY copies the contents of a folder, but a file as a whole.
          const name = file === source ? basename(file) : file.slice(source.length + 1)
          await cp(join(packageRoot, file), join(target, name))
        }
      }
    }
  }

  async #runStep({ text }: Step, index: number, workingFolder: string): Promise<void> {
    const shell = ['sh', '-c', `cd ${workingFolder} && ${text}`]
    const settings = stepsBefore(this.stages[index], 'ENV', text)
    await run('unshare', this.#inside(index, shell, { writable: true }), {
      env: { PATH, HOME: '/root', ...settings, ...(CERTIFICATES && { NODE_EXTRA_CA_CERTS: CERTIFICATES }) },
      timeout: STEP_TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    })
  }

  /** The arguments of unshare that run `command` in a stage as process 1. */
  #inside(index: number, command: string[], { writable = false, volumes = [] as string[] } = {}): string[] {
    const root = this.#root(index)
    const mounts = [
      'set -e',
      // tap sets NODE_OPTIONS to a loader for every Node of a test. The stage does not contain this loader.
      'unset NODE_OPTIONS',
      `cd ${root}`,
      `mount --bind ${root} ${root}`,
      `cd ${root}`,
      ...BORROWED.map((name) => `[ -L ${name} ] || [ ! -e ${name} ] || mount --rbind /${name} ${name}`),
      `mount --bind ${root}.local usr/local`,
      'mount -t proc proc proc',
      ...DEVICES.map((name) => `mount --bind /dev/${name} dev/${name}`),
      ...volumes.map((path) => `mount --bind .${path} .${path}`),
      ...(writable
        ? []
        : [
            'mount -o remount,bind,ro usr/local',
            ...BORROWED.map((name) => `[ -L ${name} ] || [ ! -e ${name} ] || mount -o remount,bind,ro ${name}`),
            'mount -o remount,bind,ro .',
          ]),
      'exec chroot . "$@"',
    ]
    return ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', mounts.join('\n'), 'sh', ...command]
  }
}

function stepsBefore(stage: Stage | undefined, keyword: string, text: string): Record<string, string> {
  if (stage === undefined) return {}
  const end = stage.steps.findIndex((step) => step.text === text)
  return environmentOf({ ...stage, steps: stage.steps.slice(0, end).filter((step) => step.keyword === keyword) })
}

async function copyInto(source: string, target: string): Promise<void> {
  await cp(source, target, { recursive: true, verbatimSymlinks: true })
}

/** /usr/local as in the official image: Node 24 from the registry, and this machine's npm. */
async function installNode24(folder: string): Promise<string> {
  const local = join(folder, 'local')
  await mkdir(join(local, 'bin'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{}')
  await run('npm', ['install', 'node@24', '--no-save'], { cwd: folder, timeout: STEP_TIMEOUT_MS })
  await cp(join(folder, 'node_modules', 'node', 'bin', 'node'), join(local, 'bin', 'node'))
  const npm = join((await run('npm', ['root', '--global'])).stdout.trim(), 'npm')
  await cp(npm, join(local, 'lib', 'node_modules', 'npm'), { recursive: true, verbatimSymlinks: true })
  const { bin }: { bin: Record<string, string> } = JSON.parse(await readFile(join(npm, 'package.json'), 'utf8'))
  for (const [name, path] of Object.entries(bin)) {
    await symlink(join('..', 'lib', 'node_modules', 'npm', path), join(local, 'bin', name))
  }
  return dirname(join(local, 'bin'))
}
