/** What orval's functions send their requests with: they know neither the address of the service nor the token. */
export const settings = { address: '', token: '', fetch: globalThis.fetch }

export async function request<Answer>(url: string, init: RequestInit): Promise<Answer> {
  const headers = new Headers(init.headers)
  if (settings.token) headers.set('authorization', `Bearer ${settings.token}`)
  const response = await settings.fetch(`${settings.address}${url}`, { ...init, headers })
  const text = await response.text()
  return { status: response.status, headers: response.headers, data: text && JSON.parse(text) } as Answer
}
