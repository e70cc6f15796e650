import { Worker } from 'node:worker_threads'

// All that the thread needs is the library.
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads')
import(workerData.library).then(({ verify }) => parentPort.postMessage(verify(workerData.password, workerData.hash)))
`

/** crypt(3)'s `$5$` and `$6$`, in a thread of its own: a loop of so many rounds would stop every other request. */
export function sha2CryptVerify(password: string, hash: string): Promise<boolean> {
  const workerData = { password, hash, library: import.meta.resolve('unixcrypt') }
  return new Promise((resolve, reject) => {
    new Worker(SCRIPT, { eval: true, execArgv: [], workerData }).once('message', resolve).once('error', reject)
  })
}
