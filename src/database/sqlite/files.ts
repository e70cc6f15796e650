import { accessSync, constants, existsSync, rmSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from './shared-transactions.js'

/** SQLite does not say which of its files the system refuses, or why. */
const VAGUE = /^SQLITE_(CANTOPEN|READONLY|IOERR)/

/** Why SQLite could not use a database: the obstacle in the file system, or else SQLite's own message. */
export function reasonOf(error: unknown, file: string): string {
  const obstacle = VAGUE.test(codeOf(error)) ? obstacleTo(file) : undefined
  return obstacle ?? (error as Error).message
}

function obstacleTo(file: string): string | undefined {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) return 'it is a folder: name a file in it'
  for (const path of [dirname(file), file, `${file}-wal`, `${file}-shm`]) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EROFS') return `${path} is on a read-only file system`
      if (code === 'EACCES') return notPermitted(path)
    }
  }
  return statfsSync(dirname(file)).bavail === 0 ? 'the disk is full' : undefined
}

function notPermitted(path: string): string {
  const { uid } = statSync(path)
  return `user ${process.getuid?.()} may not write ${path}, which belongs to user ${uid}: change its owner or mode, and run all commands as the user of the service`
}

/** Deletes an unfinished database. */
export function removeDraft(draft: string): void {
  for (const path of [draft, `${draft}-wal`, `${draft}-shm`, `${draft}-journal`]) {
    if (existsSync(path)) rmSync(path)
  }
}
