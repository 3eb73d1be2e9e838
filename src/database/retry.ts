/** Retries transactions after conflicts, as PostgreSQL requires of its clients. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isConflict } from './errors.ts'

/** Maximum number of attempts, including the first. */
const ATTEMPTS = 3

/** Maximum wait before a retry, in milliseconds; random, so that two transactions do not conflict again. */
const JITTER = 50

/**
 * Runs `work`, and runs all of it again if the database rolled it back because of a conflict (40001, 40P01, 23505). No
 * other error is retried, because the work may have been committed.
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
