/** PostgreSQL through a pool of pg connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { StartError } from '../start-error.ts'
import { describeError, isUnavailable } from './errors.ts'
import { migrateUp } from './migrate.ts'
import type { Database } from './open.ts'
import type { Tables } from './tables.ts'
import { parsers } from './values.ts'

/** Milliseconds, each layer more patient than the one that it watches over. */
const TIMEOUTS = {
  connectionTimeoutMillis: 2_000,
  lock_timeout: 1_000,
  statement_timeout: 3_000,
  query_timeout: 5_000,
  idle_in_transaction_session_timeout: 5_000,
}

/** How long to wait before the database is tried again, in milliseconds: short, for a restart is over in a second. */
const RETRY_DELAY = 500

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}

/** Opens a pool; no connection is made before the first query. */
export function openPostgres(databaseUrl: string, poolSize: number, log: FastifyBaseLogger): Database {
  const connect = (options: pg.PoolConfig) => createKysely({ connectionString: databaseUrl, ...options }, log)
  const kysely = connect({ max: poolSize, keepAlive: true, maxLifetimeSeconds: 1_800, ...TIMEOUTS })
  let ready = false
  return {
    kysely,
    get ready() {
      return ready
    },
    description: `PostgreSQL at ${withoutCredentials(databaseUrl)}`,
    async prepare(signal) {
      await waitFor(() => migrate(connect), log, signal)
      ready = !signal.aborted
    },
    close: () => kysely.destroy(),
  }
}

/** Migrations take as long as they take: a connection of their own, without the timeouts of requests. */
async function migrate(connect: (options: pg.PoolConfig) => Kysely<Tables>): Promise<void> {
  const { connectionTimeoutMillis } = TIMEOUTS
  const db = connect({ max: 1, connectionTimeoutMillis })
  try {
    await migrateUp(db)
  } finally {
    await db.destroy()
  }
}

/** Tries until it works; says once that it waits, and once that the waiting is over. */
async function waitFor(attempt: () => Promise<void>, log: FastifyBaseLogger, signal: AbortSignal): Promise<void> {
  let waiting = false
  while (!signal.aborted) {
    try {
      await attempt()
      if (waiting) log.info('the database is there')
      return
    } catch (error) {
      if (!isUnavailable(error)) {
        throw new StartError(`The database cannot be used: ${describeError(error)}.`, { cause: error })
      }
      if (!waiting) log.warn({ error: describeError(error) }, 'the database is not there yet; waiting for it')
      waiting = true
      await sleep(RETRY_DELAY, undefined, { signal }).catch(() => undefined)
    }
  }
}

function createKysely(config: pg.PoolConfig, log: FastifyBaseLogger): Kysely<Tables> {
  const pool = new pg.Pool({ application_name: 'task-service', types, ...config })
  // A connection that dies raises an error of its own, whether it idles in the pool or is at work: unheard, it ends the process.
  const onError = (error: Error) => log.debug({ error: error.message }, 'a database connection was lost')
  pool.on('error', onError)
  pool.on('connect', client => client.on('error', onError))
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
}

/** Host and database of a connection string; not the user, and never the password. */
function withoutCredentials(databaseUrl: string): string {
  const { host, port, database } = new pg.Client({ connectionString: databaseUrl })
  return `${host}:${port}/${database}`
}
