// Imported before anything else: on an older Node the first import that uses what it lacks would end in a stack.

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 20)) {
  process.stderr.write(`latchkey: this is Node ${process.versions.node}, and Latchkey needs Node 20.20 or newer\n`)
  process.exit(1)
}
