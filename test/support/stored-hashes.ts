import { eq } from 'drizzle-orm'
import type { Person, Service } from '../helper.js'

// Reads and writes stored password hashes, as an import or another system would.

export function tryPassword({ service, login }: Person, password: string, headers: Record<string, string> = {}) {
  return service.post('/v1/login', { username: login.user.username, password }, headers)
}

export async function hashOf({ service, id }: Person): Promise<string> {
  const { users, row } = ofPerson(service, id)
  const [found] = await service.app.database.db.select({ hash: users.passwordHash }).from(users).where(row)
  return found?.hash ?? ''
}

export async function setHash({ service, id }: Person, passwordHash: string): Promise<void> {
  const { users, row } = ofPerson(service, id)
  await service.app.database.db.update(users).set({ passwordHash }).where(row)
}

function ofPerson({ app }: Service, id: number) {
  const { users } = app.database.tables
  return { users, row: eq(users.id, id) }
}
