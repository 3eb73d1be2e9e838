/** Between handlers and the database: limits requests in flight, retries conflicts and turns outages into 503. */
import type { ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import { databaseUnavailable, overloaded, Problem } from '../contract/problem.ts'
import { breaksConnection, failureCode, isPoolTimeout, isUnavailable } from '../database/errors.ts'
import type { Database } from '../database/open.ts'
import { createOutageLog } from '../database/outage.ts'
import { retryConflicts } from '../database/retry.ts'
import type { Connections } from './connections.ts'

/**
 * Runs a handler's work with the database; the request is in flight until its response is written.
 * @throws Problem `database_unavailable`, or `overloaded` if too many requests are in flight
 */
export type UseDatabase = <T>(work: () => Promise<T>, response: ServerResponse) => Promise<T>

/**
 * @param maxInFlight maximum number of requests in flight; one more is refused at once instead of after a timeout
 * @param onFailure called with the code of each failure of the database
 */
export function createDatabaseAccess(
  database: Database,
  maxInFlight: number,
  connections: Pick<Connections, 'whenWritten' | 'shortenDeadline'>,
  log: FastifyBaseLogger,
  onFailure: (code: string) => void,
): UseDatabase {
  const outage = createOutageLog(log)
  let inFlight = 0

  /** Turns an outage into a problem; returns any other error as it is. */
  function toProblem(error: unknown): unknown {
    // An outcome that the handler found with the help of the database.
    if (error instanceof Problem) return error
    onFailure(failureCode(error))
    if (!isUnavailable(error)) return error
    if (isPoolTimeout(error)) return overloaded()
    // A lock timeout, for example, affects only this request. A lost connection affects all and is logged once.
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
      throw toProblem(error)
    }
  }

  return async (work, response) => {
    if (!database.ready) throw databaseUnavailable()
    if (inFlight >= maxInFlight) {
      // The cause may be clients that do not read their responses.
      connections.shortenDeadline()
      throw overloaded()
    }
    inFlight += 1
    try {
      return await run(work)
    } finally {
      // Even an error's response takes memory until it is written.
      connections.whenWritten(response, () => {
        inFlight -= 1
      })
    }
  }
}
