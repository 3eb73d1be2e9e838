/** One process for each data folder: a lock that the kernel drops when its holder dies, however it dies. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StartError } from '../process/start-error.ts'

/** SQLite's result code for a file that another process has locked. */
const SQLITE_BUSY = 5

/**
 * Makes the folder where it is missing and locks it; returns what unlocks it again.
 *
 * The lock is SQLite's exclusive lock on an empty file: the one advisory file lock that Node brings for every platform.
 * It works across containers that share a volume, which a socket or a file with a process id in it would not.
 * @throws StartError where another process holds it, or the folder cannot be written
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const ownerFile = join(folder, 'owner')
  let lock: DatabaseSync | undefined
  try {
    makeFolder(folder)
    lock = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
    // Nothing is ever written to it, so it needs no journal beside it.
    lock.exec('pragma journal_mode = memory; begin exclusive')
    writeFileSync(ownerFile, `process ${process.pid} on ${hostname()}`)
  } catch (error) {
    lock?.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      throw new StartError(
        `The data folder ${folder} is in use by ${readOwner(ownerFile)}. ` +
          'Stop that one first, or set DATA_DIR to another folder: PGlite serves one process at a time.',
      )
    }
    throw new StartError(`The data folder ${folder} cannot be used: ${(error as Error).message}.`)
  }
  return () => lock.close()
}

/**
 * Makes the folder, and those that it is in. Not Node's recursive mkdir, which never returns where a folder that is
 * there says of its content that it is not (ENOENT), as /proc does.
 */
function makeFolder(folder: string): void {
  const parent = dirname(folder)
  if (!existsSync(parent)) makeFolder(parent)
  try {
    mkdirSync(folder)
  } catch (error) {
    // It is there, or another process was faster.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/** Who wrote the file last; the holder of the lock writes it a moment after it has the lock. */
function readOwner(file: string): string {
  const fallback = 'another process'
  try {
    return readFileSync(file, 'utf8') || fallback
  } catch {
    return fallback
  }
}
