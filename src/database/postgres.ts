/** PostgreSQL through a pool of pg connections. */
import type { FastifyBaseLogger } from 'fastify'
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { StartError } from '../start-error.ts'
import { breaksConnection } from './errors.ts'
import type { Store } from './open.ts'
import type { Tables } from './tables.ts'
import { parsers, SESSION_FORMAT, setStatements } from './values.ts'

/**
 * Milliseconds. Each layer is more patient than the one that it watches over: connecting, the server, the driver. Waiting for a lock
 * lasts longer than `deadlock_timeout`, which is a second by default: else no deadlock is ever found, and both sides fail.
 */
const CONNECT_TIMEOUT = 2_000
const SERVER_TIMEOUTS = { lock_timeout: 2_000, statement_timeout: 3_000, idle_in_transaction_session_timeout: 5_000 }
const QUERY_TIMEOUT = 5_000

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => parsers[oid as keyof typeof parsers] ?? pg.types.getTypeParser(oid, format as 'text'),
}

const POOL_DEFAULTS = {
  application_name: 'task-service',
  keepAlive: true,
  connectionTimeoutMillis: CONNECT_TIMEOUT,
  types,
} satisfies pg.PoolConfig

/**
 * Opens a pool; no connection is made before the first query.
 * @throws StartError where the connection string, or a file that it names, cannot be read
 */
export function openPostgres(
  { databaseUrl, migrationUrl, poolSize }: { databaseUrl: string; migrationUrl: string; poolSize: number },
  log: FastifyBaseLogger,
): Store {
  const connect = (options: pg.PoolConfig, settings: Record<string, string | number>) => {
    const pool = new pg.Pool({ ...POOL_DEFAULTS, ...options })
    const dialect = new PostgresDialect({ pool: guardPool(pool, { ...SESSION_FORMAT, ...settings }, log) })
    return { pool, db: new Kysely<Tables>({ dialect }) }
  }
  const description = `PostgreSQL at ${withoutCredentials('DATABASE_URL', databaseUrl)}`
  withoutCredentials('MIGRATION_DATABASE_URL', migrationUrl)
  const { pool, db: kysely } = connect(
    { connectionString: databaseUrl, max: poolSize, maxLifetimeSeconds: 1_800, query_timeout: QUERY_TIMEOUT },
    SERVER_TIMEOUTS,
  )
  return {
    kysely,
    poolUsage: () => ({
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    description,
    // Migrations take as long as they take: a connection of their own, which waits for locks and for long statements.
    async migrate(work) {
      const { db } = connect({ connectionString: migrationUrl, max: 1 }, {})
      try {
        return await work(db)
      } finally {
        await db.destroy()
      }
    },
    close: () => kysely.destroy(),
  }
}

/** Sets every connection up before its first use, and lets go of one whose error says that it is broken. */
function guardPool(pool: pg.Pool, settings: Record<string, string | number>, log: FastifyBaseLogger): PostgresPool {
  // A connection that dies raises an error of its own, whether it idles in the pool or is at work: unheard, it ends the process.
  const onError = (error: Error) => log.debug({ error: error.message }, 'a database connection was lost')
  pool.on('error', onError)
  pool.on('connect', client => client.on('error', onError))

  const sessions = new WeakMap<pg.PoolClient, PostgresPoolClient>()
  return {
    async connect() {
      const client = await pool.connect()
      const known = sessions.get(client)
      if (known !== undefined) return known
      const session = createSession(client)
      try {
        // Statements and not startup parameters, of which poolers such as PgBouncer refuse most.
        await session.query({ text: setStatements(settings), query_timeout: QUERY_TIMEOUT } as never, [])
      } catch (error) {
        session.release()
        throw error
      }
      sessions.set(client, session)
      return session
    },
    end: () => pool.end(),
    options: pool.options,
  }
}

/** pg takes a connection back without asking whether it still works: one that went silent would fail every later query. */
function createSession(client: pg.PoolClient): PostgresPoolClient {
  let broken: Error | undefined
  const query = async (text: string, parameters: readonly unknown[]) => {
    // What failed first is the cause: a ROLLBACK that fails for it must not take its place.
    if (broken !== undefined) throw broken
    try {
      return await client.query(text, parameters as unknown[])
    } catch (error) {
      if (breaksConnection(error)) broken = error as Error
      throw error
    }
  }
  // Kysely's type has a second form of query, for cursors, which need a package of their own.
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: discard => client.release(broken ?? discard),
  }
}

/** Host and database of a connection string that can be used; not the user, and never the password. */
function withoutCredentials(variable: string, databaseUrl: string): string {
  try {
    const { host, port, database } = new pg.Client({ connectionString: databaseUrl })
    // pg would wait for such a port without end.
    if (!(port >= 1 && port <= 65535)) throw new Error('its port must be a number from 1 to 65535')
    return `${host}:${port}/${database}`
  } catch (error) {
    throw new StartError(`${variable} cannot be used: ${(error as Error).message}.`)
  }
}
