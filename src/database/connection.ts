/**
 * What every connection to PostgreSQL has in common, and those that take statements before they have answered the
 * others.
 */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import type { PipelineConnection } from './pipeline.ts'
import { type Settings, setStatements } from './session.ts'
import { SharedQuery, types } from './shared-query.ts'

/**
 * Milliseconds. Each layer is more patient than the one that it watches over: connecting, the server, the driver.
 * Waiting for a lock lasts longer than `deadlock_timeout`, which is a second by default: else no deadlock is ever
 * found, and both sides fail.
 */
export const CONNECT_TIMEOUT = 2_000
export const SERVER_TIMEOUTS = {
  lock_timeout: 2_000,
  statement_timeout: 3_000,
  idle_in_transaction_session_timeout: 5_000,
}
export const QUERY_TIMEOUT = 5_000

export const POOL_DEFAULTS = {
  application_name: 'task-service',
  keepAlive: true,
  connectionTimeoutMillis: CONNECT_TIMEOUT,
  types,
} satisfies pg.PoolConfig

/** A connection that is set up and takes statements before it has answered the others. */
export async function connectPipeline(
  databaseUrl: string,
  settings: Settings,
  log: Logger,
): Promise<PipelineConnection> {
  const socket = new Socket()
  const client = new pg.Client({
    ...POOL_DEFAULTS,
    connectionString: databaseUrl,
    pipeline: true,
    stream: () => socket,
  })
  client.on('error', error => log.debug({ error: error.message }, 'a database connection was lost'))
  try {
    await client.connect()
    await client.query({ text: setStatements(settings), query_timeout: QUERY_TIMEOUT } as pg.QueryConfig)
  } catch (error) {
    socket.destroy()
    throw error
  }
  let isCorked = false
  const flush = () => {
    isCorked = false
    socket.uncork()
  }
  return {
    send(statement, done) {
      // What is sent while this turn of the event loop takes in requests goes out together: a system call for all, not
      // for each.
      if (!isCorked) {
        isCorked = true
        socket.cork()
        setImmediate(flush)
      }
      client.query(new SharedQuery(statement, done))
    },
    onLost: listener => {
      client.on('end', listener)
    },
    destroy: error => {
      socket.destroy(error)
    },
    async end() {
      // A server that is gone does not say goodbye.
      const waiting = new AbortController()
      const patience = sleep(CONNECT_TIMEOUT, undefined, waiting).catch(() => undefined)
      await Promise.race([client.end(), patience])
      waiting.abort()
      socket.destroy()
    },
  }
}
