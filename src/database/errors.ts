/** What a database error means: SQLSTATE (PostgreSQL, appendix A) and the driver's own errors. */

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/**
 * 22021, 22P02, 22003, 22008: text, number or time that PostgreSQL cannot hold, and that the contract should have
 * refused.
 */
export const isBadValue = (error: unknown): boolean =>
  ['22021', '22P02', '22003', '22008'].includes(codeOf(error) ?? '')

/** 55P03: somebody else had the lock for longer than `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => codeOf(error) === '55P03'

/**
 * 40001, 40P01 and 23505: the transaction was rolled back because of others, and may be tried again. A unique violation
 * means here that another transaction made the same row meanwhile, which the next attempt sees (PostgreSQL's manual,
 * 13.5).
 */
export const isConflict = (error: unknown): boolean => ['40001', '40P01', '23505'].includes(codeOf(error) ?? '')

/**
 * The connection is lost or refused (08), resources are out (53), the server stops or starts or ran out of patience
 * (57), or it takes no writes (25006). A session knows nothing of a prepared statement (26000), knows it already
 * (42P05), or its result has changed (0A000): nothing was done then.
 */
const UNAVAILABLE = /^(08...|53...|57...|25006|40001|40P01|55P03|26000|42P05|0A000)$/

/** Node's network errors: ECONNREFUSED, ENOTFOUND, ETIMEDOUT, ... */
const NETWORK = /^E[A-Z]+$/

/** How the driver says that no connection was to be had in time, and that no answer came in time. */
export const POOL_TIMEOUT = 'timeout exceeded when trying to connect'
export const QUERY_TIMEOUT = 'Query read timeout'
/** That a server did not take a connection in time, and that the service has closed its connections. */
export const CONNECT_TIMEOUT = 'timeout expired'
export const CLOSED = 'the connections to the database are closed'
/** How Kysely says the latter. */
const DESTROYED = 'driver has already been destroyed'

/** The driver throws plain errors for its own timeouts and for connections that end under a query. */
const DRIVER = new RegExp(
  `^(${POOL_TIMEOUT}|${QUERY_TIMEOUT}|${CONNECT_TIMEOUT}|${CLOSED}|${DESTROYED}|Connection terminated|Client has encountered a connection error)`,
)

/** All connections were at work for longer than a request waits for one; it has done nothing. */
export const isPoolTimeout = (error: unknown): boolean => error instanceof Error && error.message === POOL_TIMEOUT

/** Whether the same request may well succeed later: the database is away, not the request wrong. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined) return UNAVAILABLE.test(code) || NETWORK.test(code)
  return error instanceof Error && DRIVER.test(error.message)
}

/**
 * The server ends the session with these, takes no writes any more (25006, after a failover), or has other statements
 * prepared.
 */
const ENDS_SESSION = /^(08...|57P0.|25P03|25006|26000|42P05|0A000)$/

/** Whether the connection that had this error must not be used again. The driver's own errors have no code. */
export function breaksConnection(error: unknown): boolean {
  const code = codeOf(error)
  return code === undefined || NETWORK.test(code) || ENDS_SESSION.test(code)
}

/** What kind of failure it is, in a word: its code, or `none` for the driver's own errors. */
export const failureCode = (error: unknown): string => codeOf(error) ?? 'none'

/** An error in a line; what Node collects of a host's several addresses has no message of its own. */
export const describeError = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(describeError).join('; ') : (error as Error).message
