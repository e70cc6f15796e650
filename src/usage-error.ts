/** An invalid command line, whatever the database or the file holds; the message says what is expected. */
export class UsageError extends Error {}
