import { join } from 'node:path'
import type { Test } from 'tap'
import { type Service, startService, temporaryFolder } from '../helper.js'
import { call } from './calls.js'
import { latchkey } from './child.js'
import { freshDatabase } from './databases.js'

/** An empty database, the `latchkey` command for it, and a file name for the database to import from. */
export async function installation(t: Test, extra: Record<string, string> = {}) {
  const folder = await temporaryFolder(t)
  const { POOL_SIZE, ...database } = await freshDatabase(t)
  const settings = { PUBLIC_URL: 'http://latchkey.test', BCRYPT_COST: '10', ...database, ...extra }
  const start = (args: string[], more: Record<string, string> = {}) =>
    latchkey(t, args, { settings: { ...settings, ...more }, folder })
  return {
    folder,
    file: join(folder, 'old.db'),
    start,
    /** Calls the command in this process, which saves half a second. */
    run: (args: string[], more: Record<string, string> = {}) =>
      call(args, { settings: { ...settings, ...more }, folder }),
    startService: (more: Record<string, string> = {}) =>
      startService(t, { ...database, LOGIN_THROTTLE: 'off', ...more }),
  }
}

/** Tries to log in. */
export function tryPassword(service: Service, username: string, password: string) {
  return service.post('/v1/login', { username, password })
}
