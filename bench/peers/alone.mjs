import bcrypt from 'bcrypt'
import { HASH_COST, openTodos } from './shared.mjs'

// The upper limit: durable commits one after the other, or password hashes on as many threads as there are cores,
// without a server. Prints the number per second.

const [kind, seconds, argument] = process.argv.slice(2)
const run = { commits, hashes }[kind]
const start = performance.now()
const count = await run(start + seconds * 1_000, argument)
console.log((count / (performance.now() - start)) * 1_000)

async function commits(end, file) {
  const { insert } = await openTodos(file)
  let done = 0
  for (; performance.now() < end; done += 1) insert.get(1, 'Water the plants', 'The fern too')
  return done
}

async function hashes(end, slots) {
  const stored = await bcrypt.hash('three quiet lanterns', HASH_COST)
  let done = 0
  const work = async () => {
    for (; performance.now() < end; done += 1) await bcrypt.compare('three quiet lanterns', stored)
  }
  await Promise.all(Array.from({ length: Number(slots) }, work))
  return done
}
