/** Classifies database errors: SQLSTATE (PostgreSQL's manual, appendix A) and the driver's own errors. */

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** 22021, 22P02, 22003, 22008: PostgreSQL cannot store the value, which validation should have refused. */
export const isBadValue = (error: unknown): boolean =>
  ['22021', '22P02', '22003', '22008'].includes(codeOf(error) ?? '')

/** 55P03: another transaction held the lock for longer than `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean => codeOf(error) === '55P03'

/** Citus reports this if a shard was moved or split after the statement was planned; it was not executed. */
const isShardGone = (error: unknown): boolean =>
  error instanceof Error && /^could not find valid entry for shard/.test(error.message)

/**
 * 40001, 40P01 and 23505: the transaction was rolled back because of others, and can be retried. A unique violation
 * means that a concurrent transaction inserted the same row, which the retry will see (PostgreSQL's manual, 13.5).
 */
export const isConflict = (error: unknown): boolean =>
  ['40001', '40P01', '23505'].includes(codeOf(error) ?? '') || isShardGone(error)

/**
 * The connection is lost or refused (08), resources are exhausted (53), the server is stopping, starting or has
 * cancelled the statement (57), or it is read-only (25006). A prepared statement is missing (26000), exists already
 * (42P05) or has another result type (0A000); then the statement was not executed.
 */
const UNAVAILABLE = /^(08...|53...|57...|25006|40001|40P01|55P03|26000|42P05|0A000)$/

/** Node's network errors: ECONNREFUSED, ENOTFOUND, ETIMEDOUT, ... */
const NETWORK = /^E[A-Z]+$/

/** The driver's messages if no pooled connection was free in time, and if no result came in time. */
export const POOL_TIMEOUT = 'timeout exceeded when trying to connect'
export const QUERY_TIMEOUT = 'Query read timeout'
/** The messages if the server did not accept a connection in time, and if the service has closed its connections. */
export const CONNECT_TIMEOUT = 'timeout expired'
export const CLOSED = 'the connections to the database are closed'
/** Kysely's message for the latter. */
const DESTROYED = 'driver has already been destroyed'

/** The driver throws plain errors for its own timeouts and for connections lost during a query. */
const DRIVER = new RegExp(
  `^(${POOL_TIMEOUT}|${QUERY_TIMEOUT}|${CONNECT_TIMEOUT}|${CLOSED}|${DESTROYED}|Connection terminated|Client has encountered a connection error)`,
)

/** All connections were busy for longer than a request waits for one; nothing was executed. */
export const isPoolTimeout = (error: unknown): boolean => error instanceof Error && error.message === POOL_TIMEOUT

/** Whether the database is unavailable, so that the same request can succeed later. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined) return UNAVAILABLE.test(code) || NETWORK.test(code) || isShardGone(error)
  return error instanceof Error && DRIVER.test(error.message)
}

/** The server has ended the session, is read-only (25006, after a failover), or has other prepared statements. */
const ENDS_SESSION = /^(08...|57P0.|25P03|25006|26000|42P05|0A000)$/

/**
 * The codes of a session's end. Citus also reports them for a connection of its own, to the server that has the rows;
 * then the severity is ERROR, not FATAL, and the session goes on.
 */
const RELAYED = /^(08...|57P0.|25P03)$/

const isRelayed = (error: unknown, code: string): boolean =>
  RELAYED.test(code) && (error as { severity?: unknown }).severity === 'ERROR'

/** Whether the connection must not be used again after this error. The driver's own errors have no code. */
export function breaksConnection(error: unknown): boolean {
  const code = codeOf(error)
  return code === undefined || NETWORK.test(code) || (ENDS_SESSION.test(code) && !isRelayed(error, code))
}

/** The error's code for metrics, or `none` for the driver's own errors. */
export const failureCode = (error: unknown): string => codeOf(error) ?? 'none'

/** An error in one line. Node's AggregateError, for a host with several addresses, has no message of its own. */
export const describeError = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(describeError).join('; ') : (error as Error).message
