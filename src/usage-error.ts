/** A command that was called in a way it does not understand; the message says what it wants. */
export class UsageError extends Error {}
