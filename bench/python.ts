import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../src/package.js'

/** Debian's Python, whose packages apt-get installs. Another Python that comes first in PATH lacks them. */
export const PYTHON = process.env.PYTHON ?? '/usr/bin/python3'
export const PYTHON_PEERS = join(packageRoot, 'bench', 'peers')

/** The tutorials in Python that the bench can run, and the packages whose versions count. */
const TUTORIALS = [
  { peer: 'fastapi', name: 'FastAPI', packages: ['fastapi', 'uvicorn', 'uvloop', 'httptools'] },
  { peer: 'flask', name: 'Flask', packages: ['flask', 'gunicorn'] },
] as const

export type TutorialPeer = (typeof TUTORIALS)[number]['peer']

export interface Tutorial {
  peer: TutorialPeer
  name: string
  /** The software that the tutorial runs on. */
  versions: string
}

/** The requested tutorials that this machine's Python can import. Prints the ones left out. */
export function findTutorials(wanted: (name: string) => boolean): Tutorial[] {
  return TUTORIALS.filter(({ peer }) => wanted(peer)).flatMap(({ peer, name, packages }) => {
    const { status, stdout, stderr, error } = spawnSync(PYTHON, ['-c', VERSIONS, `${peer}_tutorial`, ...packages], {
      cwd: PYTHON_PEERS,
      env: pythonSettings(':memory:'),
      encoding: 'utf8',
    })
    if (status === 0) return [{ peer, name, versions: stdout.trim() }]
    const why = error?.message ?? stderr.trim().split('\n').at(-1)
    console.error(`${name} is left out (bench/README.md says what to install): ${PYTHON}: ${why}`)
    return []
  })
}

/** The environment of a tutorial. Bytecode is kept out of the source tree. */
export function pythonSettings(file: string): Record<string, string> {
  return { DATABASE: file, PYTHONDONTWRITEBYTECODE: '1' }
}

/** Imports the tutorial, and thereby all of its packages. */
const VERSIONS = `
import importlib, platform, sys
from importlib.metadata import PackageNotFoundError, version
def named(package):
    try:
        return f'{package} {version(package)}'
    except PackageNotFoundError:
        return f'no {package}'
importlib.import_module(sys.argv[1])
print(f'Python {platform.python_version()}:', ', '.join(named(package) for package in sys.argv[2:]))
`
