/** Fair shares: how much of one user's work may be in progress at a time. More of it waits in that user's own line. */
import { overloaded } from '../contract/problem.ts'

export interface TurnsOptions {
  /** How much of one user's work is done at a time. */
  width: number
  /** How much more of it may wait. */
  length: number
  /** For how many milliseconds it waits. */
  patience: number
}

/**
 * Does `work` when it is its turn among the work of the same user.
 * @throws Problem `overloaded` where too much of that user's work waits already, or its turn does not come in time
 */
export type TakeTurn = <T>(userId: string, work: () => Promise<T>) => Promise<T>

interface Line {
  running: number
  /** What starts the work of those that wait, the oldest first. */
  waiting: (() => void)[]
}

export function createTurns({ width, length, patience }: TurnsOptions): TakeTurn {
  const lines = new Map<string, Line>()

  async function wait({ waiting }: Line): Promise<void> {
    if (waiting.length >= length) throw overloaded()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push(resolve)
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(resolve), 1)
      reject(overloaded())
    }, patience)
    await promise.finally(() => clearTimeout(timer))
  }

  return async (userId, work) => {
    const line = lines.get(userId) ?? { running: 0, waiting: [] }
    lines.set(userId, line)
    // Who is let in takes over the place of the one before: it stays counted meanwhile.
    if (line.running >= width) await wait(line)
    else line.running += 1
    try {
      return await work()
    } finally {
      const next = line.waiting.shift()
      if (next !== undefined) next()
      else {
        line.running -= 1
        if (line.running === 0) lines.delete(userId)
      }
    }
  }
}
