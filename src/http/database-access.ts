/** What stands between a handler and the database: a bound on what may wait, conflicts tried again, outages told as 503. */
import type { ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import { databaseUnavailable, overloaded, Problem } from '../contract/problem.ts'
import { breaksConnection, failureCode, isPoolTimeout, isUnavailable } from '../database/errors.ts'
import type { Database } from '../database/open.ts'
import { createOutageLog } from '../database/outage.ts'
import { retryConflicts } from '../database/retry.ts'
import type { Connections } from './connections.ts'

/**
 * Runs a handler's work with the database; the request counts as in flight until its response is written.
 * @throws Problem `database_unavailable` where it is away, or `overloaded` where too much is waiting for it
 */
export type UseDatabase = <T>(work: () => Promise<T>, response: ServerResponse) => Promise<T>

/**
 * @param most how many may be in flight at the same time: one more is refused at once, and not slowly
 * @param onFailure gets the code of each failure
 */
export function createDatabaseAccess(
  database: Database,
  most: number,
  connections: Pick<Connections, 'whenWritten' | 'hurry'>,
  log: FastifyBaseLogger,
  onFailure: (code: string) => void,
): UseDatabase {
  const outage = createOutageLog(log)
  let inFlight = 0

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

  return async (work, response) => {
    if (!database.ready) throw databaseUnavailable()
    if (inFlight >= most) {
      // What holds the places may be responses that nobody reads.
      connections.hurry()
      throw overloaded()
    }
    inFlight += 1
    try {
      return await run(work)
    } finally {
      // Whether it ended well or not, what it leads to takes memory until it is written.
      connections.whenWritten(response, () => {
        inFlight -= 1
      })
    }
  }
}
