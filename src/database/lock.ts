/** Locks a data folder for one process. The kernel releases the lock when the process dies, however it dies. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StartError } from '../process/start-error.ts'

/** SQLite's result code for a file that another process has locked. */
const SQLITE_BUSY = 5

/**
 * Locks the folder, creating it if it does not exist.
 *
 * The lock is SQLite's exclusive lock on an empty file, the only advisory file lock that Node has on every platform.
 * Unlike a socket or a file with a process id, it works across containers that share a volume.
 * @returns a function that releases the lock
 * @throws StartError if another process holds the lock or the folder cannot be written
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const ownerFile = join(folder, 'owner')
  let lock: DatabaseSync | undefined
  try {
    makeFolder(folder)
    lock = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
    // Nothing is ever written to the file, so it needs no journal.
    lock.exec('pragma journal_mode = memory; begin exclusive')
    writeFileSync(ownerFile, `process ${process.pid} on ${hostname()}`)
  } catch (error) {
    lock?.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new StartError(
        `The data folder ${folder} is in use by ${readOwner(ownerFile)}. ` +
          'Stop that process first, or set DATA_DIR to another folder: PGlite supports one process at a time.',
      )
    }
    throw new StartError(`The data folder ${folder} cannot be used: ${(error as Error).message}.`)
  }
  return () => lock.close()
}

/**
 * Creates the folder and its parents. Node's recursive mkdir never returns if an existing parent reports ENOENT for
 * its content, as /proc does.
 */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  if (!existsSync(parent)) makeFolder(parent)
  try {
    mkdirSync(folder)
  } catch (error) {
    // It exists, or another process was faster.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/** Describes the lock's holder, which writes the file just after it has acquired the lock. */
function readOwner(file: string): string {
  const fallback = 'another process'
  try {
    return readFileSync(file, 'utf8') || fallback
  } catch {
    return fallback
  }
}
