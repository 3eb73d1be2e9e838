/** Opens the configured database: PostgreSQL if DATABASE_URL is set, otherwise PGlite in DATA_DIR. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { StartError } from '../process/start-error.ts'
import { hasCitus, setCitus } from './citus.ts'
import { describeError, isUnavailable } from './errors.ts'
import { migrateUp } from './migrate.ts'
import { openPostgres } from './postgres.ts'
import type { Store } from './store.ts'

export interface Database extends Store {
  /** Whether the schema is up to date. Until then, only health checks and validation errors can be answered. */
  readonly ready: boolean
  /**
   * Brings the schema up to date, waiting until the database is available; aborting `signal` ends the wait.
   * @throws StartError if waiting would not help
   */
  prepare(signal: AbortSignal): Promise<void>
}

export interface DatabaseConfig {
  databaseUrl: string | undefined
  /** For migrations, if another role should run them. */
  migrationUrl?: string | undefined
  dataDir: string
  /** Maximum number of PostgreSQL connections; at least 3, because each purpose needs one. */
  poolSize: number
  /** Whether statements are prepared on each connection, which a pooler in transaction mode does not allow. */
  isPrepared?: boolean
}

/** Milliseconds between two attempts to reach the database; short, because a restart takes about a second. */
const RETRY_DELAY = 500

/** @throws StartError if a connection string or DATA_DIR cannot be used */
export async function openDatabase(config: DatabaseConfig, log: Logger): Promise<Database> {
  const { databaseUrl, migrationUrl = databaseUrl, dataDir, poolSize, isPrepared = true } = config
  const store =
    databaseUrl === undefined
      ? // Loaded only if needed: it is a whole PostgreSQL.
        await (await import('./pglite.ts')).openPGlite(dataDir, log)
      : openPostgres({ databaseUrl, migrationUrl: migrationUrl as string, poolSize, isPrepared }, log)
  let ready = false
  return {
    ...store,
    get ready() {
      return ready
    },
    async prepare(signal) {
      const migrate = () =>
        store.migrate(async (db, quick) => {
          await migrateUp(db, quick, signal)
          setCitus(store.kysely, await hasCitus(quick))
        })
      await waitFor(migrate, log, signal)
      ready = !signal.aborted
    },
  }
}

/** The start error, for the operator, of a database that cannot be used. */
export const databaseFailure = (error: unknown): StartError =>
  new StartError(`The database cannot be used: ${describeError(error)}.`, { cause: error })

/** Tries until the database is available; logs once that it waits, and once that the wait is over. */
async function waitFor(attempt: () => Promise<unknown>, log: Logger, signal: AbortSignal): Promise<void> {
  let waiting = false
  while (!signal.aborted) {
    try {
      await attempt()
      if (waiting) log.info('the database is available')
      return
    } catch (error) {
      if (!isUnavailable(error)) throw databaseFailure(error)
      if (!waiting) log.warn({ error: describeError(error) }, 'the database is not available yet; waiting for it')
      waiting = true
      await sleep(RETRY_DELAY, undefined, { signal }).catch(() => undefined)
    }
  }
}
