/** Settings of every PostgreSQL connection, and how to open a pipelined one. */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import type { PipelineConnection } from './pipeline.ts'
import { type Settings, setStatements } from './session.ts'
import { SharedQuery, types } from './shared-query.ts'

/**
 * Milliseconds. Each layer waits longer than the layer it supervises: connecting, the server, the driver.
 * `lock_timeout` must exceed `deadlock_timeout`, a second by default; otherwise no deadlock is ever detected and both
 * sides fail.
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

/** Opens a connection that takes statements before earlier ones have results, and sets up its session. */
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
      // Statements sent in one turn of the event loop go out in one system call.
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
      // A server that has disappeared never closes its side.
      const waiting = new AbortController()
      const timeout = sleep(CONNECT_TIMEOUT, undefined, waiting).catch(() => undefined)
      await Promise.race([client.end(), timeout])
      waiting.abort()
      socket.destroy()
    },
  }
}
