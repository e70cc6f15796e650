const SQLITE = 'sqlite:'

/** Whether `url` names a PostgreSQL database. */
export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/.test(url)
}

/** The path of the SQLite file that `url` names. */
export function sqlitePath(url: string): string {
  return url.slice(SQLITE.length)
}
