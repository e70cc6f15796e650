/** A valid command that cannot be carried out; the message says why. Printed without a stack. */
export class CommandError extends Error {}
