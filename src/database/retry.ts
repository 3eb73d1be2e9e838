/** Conflicts between transactions, which PostgreSQL asks its clients to resolve by trying again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isConflict } from './errors.ts'

/** How often something is tried, the first time included. */
const ATTEMPTS = 3

/**
 * The longest wait before the next attempt, in milliseconds; random, so that two that collided do not collide again.
 */
const JITTER = 50

/**
 * Runs `work`, and all of it again where the database rolled it back for a conflict (40001, 40P01, 23505): then nothing
 * of it was done. No other error is retried, for what was sent may have been done.
 */
export async function retryConflicts<T>(work: () => Promise<T>, attempts = ATTEMPTS): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (attempts === 1 || !isConflict(error)) throw error
    await sleep(Math.random() * JITTER)
    return retryConflicts(work, attempts - 1)
  }
}
