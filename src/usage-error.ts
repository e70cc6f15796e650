/** A command line that is wrong whatever the database or the file holds; the message says what is expected. */
export class UsageError extends Error {}
