/** The process's limit on open files, which bounds the number of connections. */
import { readFileSync } from 'node:fs'

/** Maximum number of connections, however many files may be open. */
const MAX_CONNECTIONS = 10_000

/** File descriptors for everything else: PGlite's files (about 130), the database, the log, token issuers, metrics. */
const RESERVED_DESCRIPTORS = 300

/** The limit that is assumed if the system does not report one. */
const USUAL_OPEN_FILES = 1024

/** The number of connections that leaves enough file descriptors for the rest of the process. */
export function defaultMaxConnections(databaseConnections: number, openFiles = readOpenFilesLimit()): number {
  const free = openFiles - RESERVED_DESCRIPTORS - databaseConnections
  return Math.min(MAX_CONNECTIONS, Math.max(free, Math.floor(openFiles / 2)))
}

/** Reads the limit from the file in which Linux reports it. */
export function readOpenFilesLimit(file = '/proc/self/limits'): number {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // Not Linux: assume a low limit rather than fail to start.
    return USUAL_OPEN_FILES
  }
  return Number(/^Max open files +(\d+)/m.exec(text)?.[1] ?? MAX_CONNECTIONS * 2)
}
