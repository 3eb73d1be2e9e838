/** What stands between a handler and the database: a bound on what may wait, conflicts tried again, outages told as 503. */
import type { FastifyBaseLogger } from 'fastify'
import { databaseUnavailable, overloaded, Problem } from '../problem.ts'
import { breaksConnection, failureCode, isPoolTimeout, isUnavailable } from './errors.ts'
import type { Database } from './open.ts'
import { createOutageLog } from './outage.ts'
import { retryConflicts } from './retry.ts'

/**
 * Runs a handler's work with the database.
 * @throws Problem `database_unavailable` where it is away, or `overloaded` where too much is waiting for it
 */
export type UseDatabase = <T>(work: () => Promise<T>) => Promise<T>

/**
 * @param most how many may be at work or waiting at the same time: one more is refused at once, and not slowly
 * @param onFailure gets the code of each failure
 */
export function createDatabaseAccess(
  database: Database,
  most: number,
  log: FastifyBaseLogger,
  onFailure: (code: string) => void,
): UseDatabase {
  const outage = createOutageLog(log)
  let running = 0

  /** What to answer for an error of a handler's work. */
  function explain(error: unknown): unknown {
    // An answer, which the database has helped to find.
    if (error instanceof Problem) return error
    onFailure(failureCode(error))
    if (!isUnavailable(error)) return error
    if (isPoolTimeout(error)) return overloaded()
    // A lock that was not to be had, say, is this request's own trouble; a lost connection is everybody's, and told once.
    if (!breaksConnection(error)) return databaseUnavailable(error)
    outage.failed(error)
    return databaseUnavailable()
  }

  async function run<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await retryConflicts(work)
      outage.succeeded()
      return result
    } catch (error) {
      throw explain(error)
    }
  }

  return async work => {
    if (!database.ready) throw databaseUnavailable()
    if (running >= most) throw overloaded()
    running += 1
    try {
      return await run(work)
    } finally {
      running -= 1
    }
  }
}
