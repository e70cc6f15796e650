// Imported first: on an older Node, an import that uses a missing feature would fail with a stack trace.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 20)) {
  process.stderr.write(`latchkey: this is Node ${process.versions.node}, and Latchkey needs Node 20.20 or newer\n`)
  process.exit(1)
}
