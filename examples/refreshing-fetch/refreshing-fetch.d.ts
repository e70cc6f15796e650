export interface Tokens {
  access_token: string
  refresh_token: string
}

/** A fetch that sends the access token. After a 401 it refreshes the session and repeats the call once. */
export function refreshingFetch(
  latchkey: string,
  store: { get(): Tokens | null; set(tokens: Tokens | null): void },
  apis?: string[],
): typeof fetch
