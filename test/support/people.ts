import type { Person, Service } from '../helper.js'

/** Registers an admin, whose access token has the role. */
export async function signUpAdmin(service: Service, username: string): Promise<Person> {
  const { id } = await service.signUp(username)
  await service.app.administration.change(id, { role: 'admin' }, { id: null })
  return service.logIn(username)
}

/** Whether the access token and the refresh token of a session are still accepted. Uses up the refresh token. */
export async function sessionStatus({ service, login, token }: Person): Promise<string> {
  const access = await service.get('/v1/me', { authorization: `Bearer ${token}` })
  const refresh = await service.post('/v1/refresh', { refresh_token: login.refresh_token })
  return `${outcome(access)} and ${outcome(refresh)}`
}

export const ALIVE = '200 and 200'
export const DEAD = '401 invalid_token and 400 invalid_grant'

function outcome({ statusCode, json }: { statusCode: number; json(): { code?: string } }): string {
  return [statusCode, json().code].filter(Boolean).join(' ')
}
