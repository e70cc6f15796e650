// On SQLite alone: the copy of the project runs on a SQLite file.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { PASSWORD } from '../helper.js'
import { nodeProcess } from '../support/child.js'
import { projectCopy } from '../support/project.js'

// Follows "Adding an owned resource" in docs/development.md step by step, in a copy of the project, with a random name.

t.setTimeout(300_000)
const START_DEADLINE_MS = 60_000
const run = promisify(execFile)

t.test(
  'a resource that is added by the recipe works, and is documented, owned, limited, backed up and copied',
  async (t) => {
    const one = `thing${randomBytes(4).toString('hex').replaceAll(/\d/g, 'x')}`
    const many = `${one}s`
    const folder = await projectCopy(t)
    const surroundings = { cwd: folder, env: { PATH: process.env.PATH, HOME: folder } }
    const renamed = (text: string) =>
      text.replaceAll('todo', one).replaceAll('Todo', `${one[0]?.toUpperCase()}${one.slice(1)}`)
    const edit = (path: string, change: (text: string) => string) =>
      writeFileSync(join(folder, path), change(readFileSync(join(folder, path), 'utf8')))

    for (const engine of ['sqlite', 'pg']) {
      edit(`drizzle/schema.${engine}.ts`, (text) => {
        const [table = ''] = /export const todos = [\s\S]*?\n\)\n/.exec(text) ?? []
        return `${text}\n${renamed(table)}`
      })
    }
    await run(process.execPath, ['drizzle/generate.mjs', many], surroundings)
    const route = readFileSync(join(folder, 'routes/v1/todos.ts'), 'utf8')
    writeFileSync(join(folder, `routes/v1/${many}.ts`), renamed(route))

    const part = { extends: './tsconfig.json', include: [], files: ['src/app.ts'] }
    writeFileSync(join(folder, 'part.json'), JSON.stringify(part))
    // Without NODE_OPTIONS, in which tap passes its loaders to every Node process.
    await Promise.all([
      t.resolves(
        run('env', ['-u', 'NODE_OPTIONS', 'node_modules/.bin/tsc', '--noEmit', '-p', 'part.json'], surroundings),
      ),
      run(process.execPath, ['esbuild.config.mjs'], surroundings),
    ])

    const settings = { PORT: '0', BCRYPT_COST: '10', MAX_EVENT_LOOP_DELAY: 'off', MAX_ROWS_PER_USER: '2' }
    const latchkey = (...args: string[]) => nodeProcess(t, ['dist/src/cli.js', ...args], { folder, settings })
    const service = await latchkey('serve')
    await service.says(/Latchkey listens on/, START_DEADLINE_MS)
    const [mina = '', joon = ''] = await Promise.all(
      ['mina', 'joon'].map(async (username) => {
        const { body } = await service.request('POST', '/v1/register', { body: { username, password: PASSWORD } })
        return body.access_token as string
      }),
    )
    const made = await service.request('POST', `/v1/${many}`, { token: mina, body: { title: 'private-to-mina' } })
    t.equal(made.status, 201)
    const path = `/v1/${many}/${made.body.id}`
    t.match(await service.request('GET', path, { token: mina }), { status: 200, body: { title: 'private-to-mina' } })
    t.equal((await service.request('GET', path)).status, 401)
    for (const method of ['GET', 'DELETE']) t.equal((await service.request(method, path, { token: joon })).status, 404)
    t.equal((await service.request('PATCH', path, { token: joon, body: { title: 'stolen' } })).status, 404)
    t.same((await service.request('GET', `/v1/${many}`, { token: joon })).body.items, [])
    t.match((await service.request('PATCH', path, { token: mina, body: { done: true } })).body, { done: true })
    t.equal((await service.request('POST', `/v1/${many}`, { token: mina, body: { title: 'second' } })).status, 201)
    const third = await service.request('POST', `/v1/${many}`, { token: mina, body: { title: 'third' } })
    t.match(third, { status: 409, body: { code: 'too_many_rows' } })

    const { body: document } = await service.request('GET', '/openapi.json')
    t.match(Object.keys(document.paths), new Set([`/v1/${many}`, `/v1/${many}/{id}`]))
    t.ok(document.tags.some(({ name, description }: Record<string, string>) => name === many && description))

    const backup = await latchkey('backup', 'backup.db')
    t.equal(await backup.exit, 0, backup.stderr)
    t.match(backup.stdout, `2 ${many}`)
    await service.stop()
    const copy = await latchkey('copy', '--from', 'sqlite:./data/latchkey.db', '--to', 'sqlite:./copy.db')
    t.equal(await copy.exit, 0, copy.stderr)
    const backupOfCopy = await nodeProcess(t, ['dist/src/cli.js', 'backup', 'second.db'], {
      folder,
      settings: { ...settings, DATABASE_URL: 'sqlite:./copy.db' },
    })
    await backupOfCopy.exit
    t.match(backupOfCopy.stdout, `2 ${many}`)
  },
)
