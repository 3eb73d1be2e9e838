/** PostgreSQL through pg: shared connections for single statements, and a pool for transactions. */
import { type CompiledQuery, Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import type { Logger } from 'pino'
import { StartError } from '../process/start-error.ts'
import { CONNECT_TIMEOUT, connectPipeline, POOL_DEFAULTS, QUERY_TIMEOUT, SERVER_TIMEOUTS } from './connection.ts'
import { SharingDialect } from './dialect.ts'
import { breaksConnection } from './errors.ts'
import { createPipelinePool } from './pipeline-pool.ts'
import { SESSION_FORMAT, type Settings, setStatements } from './session.ts'
import { statementInfo, statementName } from './statement.ts'
import type { Store } from './store.ts'
import type { Tables } from './tables.ts'

/** Milliseconds after which a connection is replaced, and after which an idle one is closed. */
const LIFETIME = 1_800_000
const IDLE_TIME = 10_000

/** Maximum number of statements in flight on a connection. */
const READ_DEPTH = 32
const WRITE_DEPTH = 8

export interface PostgresConfig {
  databaseUrl: string
  migrationUrl: string
  poolSize: number
  isPrepared: boolean
}

/**
 * Opens PostgreSQL; no connection is made before the first query.
 * @throws StartError if the connection string, or a file that it names, cannot be read
 */
export function openPostgres({ databaseUrl, migrationUrl, poolSize, isPrepared }: PostgresConfig, log: Logger): Store {
  const description = `PostgreSQL at ${withoutCredentials('DATABASE_URL', databaseUrl)}`
  withoutCredentials('MIGRATION_DATABASE_URL', migrationUrl)
  // A pooler in transaction mode runs each transaction in any session. It keeps the format for its clients; other
  // settings would affect the next client.
  const settings: Settings = { ...SESSION_FORMAT, ...(isPrepared && SERVER_TIMEOUTS) }
  // A role's own limits are meant for requests.
  const migrationSettings: Settings = {
    ...SESSION_FORMAT,
    ...(isPrepared && { statement_timeout: 0, lock_timeout: 0 }),
  }
  const nameOf = (text: string) => (isPrepared ? statementName(text) : undefined)
  const sizes = divide(poolSize)
  const pool = new pg.Pool({
    ...POOL_DEFAULTS,
    connectionString: databaseUrl,
    max: sizes.transactions,
    maxLifetimeSeconds: LIFETIME / 1000,
    idleTimeoutMillis: IDLE_TIME,
    query_timeout: QUERY_TIMEOUT,
  })
  const shared = {
    connect: () => connectPipeline(databaseUrl, settings, log),
    patience: CONNECT_TIMEOUT,
    timeout: QUERY_TIMEOUT,
    lifetime: LIFETIME,
    idleTime: IDLE_TIME,
  }
  const reads = createPipelinePool({ ...shared, connections: sizes.reads, depth: READ_DEPTH })
  const writes = createPipelinePool({ ...shared, connections: sizes.writes, depth: WRITE_DEPTH })
  const dialect = new SharingDialect({
    pool: guardPool(pool, settings, nameOf, log),
    share(query: CompiledQuery) {
      const statement = statementInfo(query)
      // A read waits for no lock, so it must not queue behind a write that does.
      const pipelines = statement?.isRead ? reads : writes
      const name = isPrepared ? statement?.name : undefined
      return pipelines.query({ text: query.sql, values: query.parameters as unknown[], name })
    },
    close: async () => {
      await Promise.all([reads.close(), writes.close()])
    },
  })
  const kysely = new Kysely<Tables>({ dialect })
  return {
    kysely,
    poolUsage: () => {
      const { totalCount, idleCount, waitingCount } = pool
      const transactions = { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
      return {
        reads: { ...reads.usage(), max: sizes.reads },
        writes: { ...writes.usage(), max: sizes.writes },
        transactions: { ...transactions, max: sizes.transactions },
      }
    },
    description,
    // Migrations may take long, so they get a connection that waits for locks and long statements without a timeout.
    // Reads get a second one with a timeout, so that a connection that goes silent does not block them forever.
    async migrate(work) {
      const open = (config: pg.PoolConfig) => {
        const pool = new pg.Pool({ ...POOL_DEFAULTS, connectionString: migrationUrl, max: 1, ...config })
        return new Kysely<Tables>({
          dialect: new PostgresDialect({ pool: guardPool(pool, migrationSettings, nameOf, log) }),
        })
      }
      const [db, quick] = [open({}), open({ query_timeout: QUERY_TIMEOUT })]
      try {
        return await work(db, quick)
      } finally {
        await Promise.all([db.destroy(), quick.destroy()])
      }
    },
    close: () => kysely.destroy(),
  }
}

/** Reads need few connections, because they do not wait; writes wait for the disk, several at the same time. */
function divide(connections: number): { reads: number; writes: number; transactions: number } {
  const reads = Math.min(2, Math.ceil(connections / 5))
  const writes = Math.min(8, Math.floor((2 * connections) / 5))
  return { reads, writes, transactions: connections - reads - writes }
}

/** Sets up every connection before its first use, and discards a connection whose error shows that it is broken. */
function guardPool(
  pool: pg.Pool,
  settings: Settings,
  nameOf: (text: string) => string | undefined,
  log: Logger,
): PostgresPool {
  // A lost connection emits an error event, whether it is idle or busy; without a listener, that ends the process.
  const onError = (error: Error) => log.debug({ error: error.message }, 'a database connection was lost')
  pool.on('error', onError)
  pool.on('connect', client => client.on('error', onError))

  const sessions = new WeakMap<pg.PoolClient, PostgresPoolClient>()
  return {
    async connect() {
      const client = await pool.connect()
      const known = sessions.get(client)
      if (known !== undefined) return known
      const session = createSession(client, nameOf)
      try {
        // Statements instead of startup parameters, most of which poolers such as PgBouncer refuse.
        await client.query({ text: setStatements(settings), query_timeout: QUERY_TIMEOUT } as pg.QueryConfig)
      } catch (error) {
        // The connection, which may have gone silent, must not be used again.
        client.release(error as Error)
        throw error
      }
      sessions.set(client, session)
      return session
    },
    end: () => pool.end(),
    options: pool.options,
  }
}

/** pg's pool reuses a connection without checking it; a silent one would fail every later query. */
function createSession(client: pg.PoolClient, nameOf: (text: string) => string | undefined): PostgresPoolClient {
  let broken: Error | undefined
  const query = async (text: string, parameters: readonly unknown[]) => {
    // The first error is the cause: the error of a ROLLBACK that fails because of it must not replace it.
    if (broken !== undefined) throw broken
    try {
      return await client.query({ text, values: parameters, name: nameOf(text) } as pg.QueryConfig)
    } catch (error) {
      if (breaksConnection(error)) broken = error as Error
      throw error
    }
  }
  // Kysely's type has a second signature for cursors, which are not used here.
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: discard => client.release(broken ?? discard),
  }
}

/** Host and database of a valid connection string, without user and password. */
function withoutCredentials(variable: string, databaseUrl: string): string {
  try {
    const { host, port, database } = new pg.Client({ connectionString: databaseUrl })
    // pg would wait for such a port forever.
    if (!(port >= 1 && port <= 65535)) throw new Error('its port must be a number from 1 to 65535')
    return `${host}:${port}/${database}`
  } catch (error) {
    throw new StartError(`${variable} cannot be used: ${(error as Error).message}.`)
  }
}
