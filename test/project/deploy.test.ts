// On SQLite alone: no database.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/config.js'
import { Settings } from '../../src/config/settings.js'
import { packageRoot } from '../../src/package.js'
import { environmentOf, readDockerfile, type Stage } from '../image/dockerfile.js'

// Checks that the deployment files use settings and paths that the service has. topology.test.ts tests replicas.

// The compiler takes long on a busy machine.
t.setTimeout(120_000)

interface Container {
  env?: { name: string }[]
  ports?: { name: string; containerPort: number }[]
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } }
  securityContext: object
}
interface Pod {
  securityContext: object
  containers: Container[]
  terminationGracePeriodSeconds?: number
}

const KUBERNETES = join(packageRoot, 'deploy', 'kubernetes')
const names = (await readdir(KUBERNETES, { recursive: true })).filter((name) => name.endsWith('.yaml')).sort()
const manifests = new Map(
  await Promise.all(names.map(async (name) => [name, await yaml(join(KUBERNETES, name))] as const)),
)
const compose = await yaml(join(packageRoot, 'compose.yaml'), { merge: true })

t.test('the systemd units start the file of the package, and do not restart after a wrong setting', async (t) => {
  const [unit = '', replica = ''] = await Promise.all(
    ['latchkey.service', 'latchkey@.service'].map((name) =>
      readFile(join(packageRoot, 'deploy', 'systemd', name), 'utf8'),
    ),
  )
  const page = await readFile(join(packageRoot, 'docs', 'operations.md'), 'utf8')
  const { bin } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))
  const [, command = ''] = /^ExecStart=\S+ (\S+) serve$/m.exec(unit) ?? []
  t.equal(command, `/opt/latchkey/node_modules/latchkey/${bin.latchkey}`)
  t.match(page, ` ${command}'`, 'docs/operations.md names the same file')
  const [, database = ''] = /^Environment=DATABASE_URL=(.+)$/m.exec(unit) ?? []
  t.match(page, `DATABASE_URL=${database} `, 'docs/operations.md names the same database')
  t.equal(loadConfig({ DATABASE_URL: database }).DATABASE_URL, database)
  t.match(unit, /^RestartPreventExitStatus=64 78$/m)
  const rules = (text: string) => text.split('\n').filter((line) => /^(?!Environment=)[A-Z]\w+=/.test(line))
  const [, ...shared] = rules(unit)
  t.same(rules(replica).slice(1), shared, 'a replica differs in its settings only')
  t.match(replica, /^Environment=PORT=%i MIGRATE_ON_START=off$/m)
})

/** The types of the Kubernetes API, by kind. */
const TYPES: Record<string, [module: string, type: string]> = {
  Deployment: ['apps/v1', 'Deployment'],
  Ingress: ['networking/v1', 'Ingress'],
  Job: ['batch/v1', 'Job'],
  PersistentVolumeClaim: ['core/v1', 'PersistentVolumeClaim'],
  PodDisruptionBudget: ['policy/v1', 'PodDisruptionBudget'],
  Service: ['core/v1', 'Service'],
}

t.test('the manifests match the types of the Kubernetes API', async (t) => {
  const typed = [...manifests].filter(([name]) => !name.endsWith('kustomization.yaml'))
  t.ok(typed.length >= 6)
  for (const [name, { kind, spec }] of typed) {
    // A patch contains only its changes, but every Deployment requires a selector.
    const whole = name === 'postgres/deployment.yaml' ? { selector: {}, ...spec } : spec
    t.same(typeErrors(kind, whole), [], name)
  }
  t.match(typeErrors('Service', { port: 80 }), [/"port"' does not exist/], 'a mistake would be found')
})

t.test('every file that a kustomization names exists, and every file is named', async (t) => {
  for (const folder of ['base', 'postgres']) {
    const { resources, patches = [] } = manifests.get(`${folder}/kustomization.yaml`)
    const named = [...resources, ...patches.map(({ path }: { path: string }) => path)].filter(
      (name) => name !== '../base',
    )
    const files = names.filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1))
    t.same([...named, 'kustomization.yaml'].sort(), files, folder)
  }
})

t.test('the ingress terminates TLS for the host of PUBLIC_URL, and routes to the port of the service', async (t) => {
  const { tls, rules } = manifests.get('base/ingress.yaml').spec
  const { configMapGenerator } = manifests.get('base/kustomization.yaml')
  const [, host] = /PUBLIC_URL=https:\/\/([^/\s]+)/.exec(configMapGenerator[0].literals.join('\n')) ?? []
  t.same(tls[0].hosts, [host])
  t.equal(rules[0].host, host)
  const { name, port } = rules[0].http.paths[0].backend.service
  const service = manifests.get('base/service.yaml')
  t.equal(name, service.metadata.name)
  t.equal(port.name, service.spec.ports[0].name)
})

t.test('every setting in the manifests and in compose.yaml exists, and its value is valid', async (t) => {
  const secret = { SECRET_KEY: 'k0uJ9q3mXv7Rb2Zt5Lw8Yp4Ns6Hd1Gf-of-tests' }
  const { configMapGenerator: base } = manifests.get('base/kustomization.yaml')
  const { configMapGenerator: overlay } = manifests.get('postgres/kustomization.yaml')
  const literals = [...base, ...overlay].flatMap(({ literals }) =>
    literals.map((literal: string) => literal.split('=')),
  )
  const environments = [
    Object.fromEntries(literals),
    ...['latchkey', 'migrate', 'replica'].map((name) => compose.services[name].environment),
  ]
  for (const environment of environments) {
    t.same(
      Object.keys(environment).filter((name) => !(name.replace(/_FILE$/, '') in Settings.properties)),
      [],
    )
    const values = Object.entries<string>(environment).filter(([name]) => !name.endsWith('_FILE'))
    const settings = values.map(([name, value]) => [name, value.replace(/^\$\{\w+:-(.*)\}$/, '$1')])
    const url = { DATABASE_URL: 'postgres://latchkey@postgres/latchkey' }
    t.doesNotThrow(() => loadConfig({ ...url, ...secret, ...Object.fromEntries(settings) }))
  }
})

t.test('pods run without privileges, have the right probes, and have enough time to drain', async (t) => {
  const pods: Pod[] = ['base/deployment.yaml', 'postgres/migrate.yaml'].map(
    (name) => manifests.get(name).spec.template.spec,
  )
  for (const pod of pods) {
    t.match(pod.securityContext, { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } })
    t.match(pod, { automountServiceAccountToken: false, enableServiceLinks: false })
    for (const { securityContext } of pod.containers) {
      t.same(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
  }
  const [
    {
      containers: [container],
      terminationGracePeriodSeconds = 0,
    },
  ] = pods as [Pod]
  t.match(container, {
    ports: [{ name: 'http', containerPort: 3000 }],
    startupProbe: { httpGet: { path: '/livez', port: 'http' } },
    livenessProbe: { httpGet: { path: '/livez', port: 'http' } },
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' } },
    lifecycle: undefined,
  })
  const { SHUTDOWN_TIMEOUT, DRAIN_DELAY } = loadConfig({ DRAIN_DELAY: '5s' })
  t.ok(terminationGracePeriodSeconds * 1_000 > SHUTDOWN_TIMEOUT + DRAIN_DELAY)
  t.match(manifests.get('base/deployment.yaml').spec, { replicas: 1, strategy: { type: 'Recreate' } })
  const { replicas } = manifests.get('postgres/deployment.yaml').spec
  t.ok(manifests.get('postgres/disruption.yaml').spec.minAvailable < replicas, 'a node can be drained')
})

t.test('compose: no setting has both a value, in the image or the service, and a file', async (t) => {
  const image = environmentOf((await readDockerfile()).at(-1) as Stage)
  for (const name of ['latchkey', 'migrate', 'replica']) {
    const environment = { ...image, ...compose.services[name].environment }
    const files = Object.keys(environment).filter((setting) => setting.endsWith('_FILE'))
    t.same(
      files.filter((setting) => setting.replace(/_FILE$/, '') in environment),
      [],
      name,
    )
  }
})

t.test('compose: the single service needs no configuration, and replicas read their secrets from files', async (t) => {
  const { services, secrets } = compose
  t.same(Object.keys(services), ['latchkey', 'postgres', 'migrate', 'replica', 'proxy'])
  for (const [name, service] of Object.entries<{ profiles?: string[] }>(services)) {
    t.same(service.profiles, name === 'latchkey' ? undefined : ['replicas'], name)
  }
  for (const name of ['latchkey', 'migrate', 'replica', 'proxy']) {
    const hardened = { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }
    t.match(services[name], hardened, name)
  }
  t.equal(services.replica.deploy.replicas, 3)
  t.notOk(services.replica.ports, 'the replicas are reached through the proxy only')
  t.same(Object.keys(secrets), ['secret_key', 'database_url', 'postgres_password'])
  for (const name of Object.keys(secrets)) t.match(secrets[name].file, /^\.\/secrets\//)
  const ignored = await readFile(join(packageRoot, '.gitignore'), 'utf8')
  t.match(ignored, /^secrets\/$/m)
  t.equal(services.replica.environment.TRUST_PROXY, compose.networks.default.ipam.config[0].subnet)
})

/** Untyped: the manifests belong to other programs, and the tests check their content. */
async function yaml(path: string, options = {}) {
  return parse(await readFile(path, 'utf8'), options)
}

/** The errors of the compiler in the `spec` of a manifest of this kind. */
function typeErrors(kind: string, spec: unknown = {}): string[] {
  const [module, type] = TYPES[kind] ?? ['', '']
  // kustomize removes items with `$patch`.
  const kept = JSON.stringify(spec, (_key, value) =>
    Array.isArray(value) ? value.filter((item) => item.$patch === undefined) : value,
  )
  const file = join(packageRoot, 'test', 'manifest.ts')
  const text = `import type { ${type} } from 'kubernetes-types/${module}.js'\nexport const it: ${type} = { spec: ${kept} }`
  const options = { noEmit: true, strict: true, module: ts.ModuleKind.NodeNext, skipLibCheck: true, types: [] }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (path) => path === file || fileExists(path)
  host.getSourceFile = (path, ...rest) =>
    path === file ? ts.createSourceFile(path, text, ts.ScriptTarget.ES2022) : getSourceFile(path, ...rest)
  const program = ts.createProgram([file], options, host)
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
