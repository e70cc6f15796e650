import { PASSWORD } from '../helper.js'
import type { Child } from '../support/child.js'

/** Registers a user over the network. */
export async function register(
  service: Child,
  username: string,
): Promise<{ access_token: string; refresh_token: string }> {
  const { status, body } = await service.request('POST', '/v1/register', { body: { username, password: PASSWORD } })
  if (status !== 201) throw new Error(`register: ${status} ${JSON.stringify(body)}`)
  return body
}

/** The titles of all todos of a user. */
export async function titlesOf(service: Child, token: string): Promise<Set<string>> {
  const titles = new Set<string>()
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { body } = await service.request('GET', `/v1/todos?limit=100${query}`, { token })
    for (const { title } of body.items) titles.add(title)
    cursor = body.next_cursor
  }
  return titles
}
