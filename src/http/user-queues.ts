/** Fair shares: bounds how much of one user's work is in progress. The rest waits in that user's own queue. */
import type { Operation } from '../contract/load.ts'
import { overloaded } from '../contract/problem.ts'

export interface QueueOptions {
  /** How much of one user's work runs at a time. */
  concurrency: number
  /** How much more of it may wait. */
  maxWaiting: number
  /** For how many milliseconds it may wait. */
  timeout: number
}

/**
 * Runs `work` when it is its turn among the work of the same user.
 * @throws Problem `overloaded` if too much of that user's work waits already, or if its turn does not come in time
 */
export type Enqueue = <T>(userId: string, work: () => Promise<T>) => Promise<T>

interface Queue {
  running: number
  /** Starts the work that waits, the oldest first. */
  waiting: (() => void)[]
}

export function createUserQueue({ concurrency, maxWaiting, timeout }: QueueOptions): Enqueue {
  const queues = new Map<string, Queue>()

  async function wait({ waiting }: Queue): Promise<void> {
    if (waiting.length >= maxWaiting) throw overloaded()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    waiting.push(resolve)
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(resolve), 1)
      reject(overloaded())
    }, timeout)
    await promise.finally(() => clearTimeout(timer))
  }

  return async (userId, work) => {
    const queue = queues.get(userId) ?? { running: 0, waiting: [] }
    queues.set(userId, queue)
    // Work that waited takes over the place of the work that ended, which stays counted meanwhile.
    if (queue.running >= concurrency) await wait(queue)
    else queue.running += 1
    try {
      return await work()
    } finally {
      const next = queue.waiting.shift()
      if (next !== undefined) next()
      else {
        queue.running -= 1
        if (queue.running === 0) queues.delete(userId)
      }
    }
  }
}

const WAITING = { maxWaiting: 100, timeout: 2_000 }

/**
 * The queues of each user. Pages may be large, and hold up what is behind them on a shared connection. Writes of one
 * user wait for each other anyway, for the lock of the user's counter: more of them at a time would only take
 * connections from other users.
 */
export const createUserQueues = () => ({
  reads: createUserQueue({ ...WAITING, concurrency: 16 }),
  pages: createUserQueue({ ...WAITING, concurrency: 1 }),
  writes: createUserQueue({ ...WAITING, concurrency: 2 }),
  transactions: createUserQueue({ ...WAITING, concurrency: 1 }),
})

export type UserQueues = ReturnType<typeof createUserQueues>

/** The queue of an operation; one with a transaction also goes through that of transactions. */
export function queueOf({ method, parameters }: Operation): Exclude<keyof UserQueues, 'transactions'> {
  if (method !== 'get') return 'writes'
  return parameters.some(({ name }) => name === 'limit') ? 'pages' : 'reads'
}
