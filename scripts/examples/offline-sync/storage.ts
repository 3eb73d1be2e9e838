/** The client's state: what has to survive the end of the program, and the file that holds it. */
import { rmSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Changes, Task } from './api.ts'

/** Raised when the program stores more of a task than before. */
const VERSION = 2

/** What the user does to a task. */
export type Edit =
  | { kind: 'create'; changes: { title: string; position: string } }
  | { kind: 'update'; changes: Changes }
  | { kind: 'addTag' | 'removeTag'; tag: string }
  | { kind: 'delete' }

/** A write that the server has yet to confirm. */
export type Write = Edit & {
  id: string
  /** The Idempotency-Key of every attempt: however many arrive, the server executes the write once. */
  key: string
  /**
   * The revision of the task as it was known, or as the previous write leaves it. An update or deletion applies only to
   * this one. Fixed before the first attempt, because a key must always be sent with the same request.
   */
  revision?: number
}

/** A write that the server will never accept, and why. */
export interface Refused {
  write: Write
  reason: string
}

export interface State {
  version: typeof VERSION
  /** The tasks as the server last returned them. */
  server: Record<string, Task>
  /** Pending writes, oldest first. */
  outbox: Write[]
  refused: Refused[]
  /** A new snapshot while it is still incomplete; until it is complete, `server` is shown. */
  snapshot?: Record<string, Task>
  /** The token from which to fetch further changes. */
  syncToken?: string
}

export interface Storage {
  state: State
  /** Writes the state to the file; a crash leaves the old file or the new one. */
  save(): Promise<void>
}

/** Reads the state from the file; a missing file is an empty state. */
export async function openStorage(file: string): Promise<Storage> {
  const state = await readState(file)
  let saved = Promise.resolve()
  return {
    state,
    save() {
      saved = saved
        // The caller of that `save` has got its error.
        .catch(() => undefined)
        .then(() => writeFile(`${file}.new`, JSON.stringify(state, null, 2)))
        .then(() => rename(`${file}.new`, file))
      return saved
    },
  }
}

async function readState(file: string): Promise<State> {
  const empty: State = { version: VERSION, server: {}, outbox: [], refused: [] }
  try {
    const state: State = JSON.parse(await readFile(file, 'utf8'))
    if (state.version === VERSION) return state
    // Its token would bring no fields of tasks that do not change: keep the edits, and start with a snapshot.
    return { ...empty, outbox: state.outbox, refused: state.refused }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty
    throw error
  }
}

/** Locks the file until the returned function is called; the lock of a program that crashed does not count. */
export async function lock(file: string): Promise<() => void> {
  const name = `${file}.lock`
  try {
    await writeFile(name, `${process.pid}`, { flag: 'wx' })
    return () => rmSync(name, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const owner = Number(await readFile(name, 'utf8'))
    if (isRunning(owner)) throw new Error(`${file} is in use by process ${owner}.`, { cause: error })
    await rm(name, { force: true })
    return lock(file)
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}
