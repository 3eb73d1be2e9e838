/** The database that the configuration asks for: PostgreSQL with DATABASE_URL, otherwise PGlite in DATA_DIR. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { StartError } from '../process/start-error.ts'
import { describeError, isUnavailable } from './errors.ts'
import { migrateUp } from './migrate.ts'
import { openPostgres } from './postgres.ts'
import type { Store } from './store.ts'

export interface Database extends Store {
  /** Whether the schema is there; until then nothing but health and validation can be answered. */
  readonly ready: boolean
  /**
   * Brings the schema up to date, waiting for a database that is not there yet; aborting `signal` ends the waiting.
   * @throws StartError where waiting would not help
   */
  prepare(signal: AbortSignal): Promise<void>
}

export interface DatabaseConfig {
  databaseUrl: string | undefined
  /** For migrations, where another role shall run them. */
  migrationUrl?: string | undefined
  dataDir: string
  /** How many connections to PostgreSQL there may be: 3 or more, for each purpose needs one. */
  poolSize: number
  /** Whether statements are prepared on each connection, which a pooler in transaction mode does not allow. */
  isPrepared?: boolean
}

/** How long to wait before the database is tried again, in milliseconds: short, for a restart is over in a second. */
const RETRY_DELAY = 500

/** @throws StartError where a connection string or DATA_DIR cannot be used */
export async function openDatabase(config: DatabaseConfig, log: Logger): Promise<Database> {
  const { databaseUrl, migrationUrl = databaseUrl, dataDir, poolSize, isPrepared = true } = config
  const store =
    databaseUrl === undefined
      ? // Loaded only where it is used: it is a whole PostgreSQL.
        await (await import('./pglite.ts')).openPGlite(dataDir, log)
      : openPostgres({ databaseUrl, migrationUrl: migrationUrl as string, poolSize, isPrepared }, log)
  let ready = false
  return {
    ...store,
    get ready() {
      return ready
    },
    async prepare(signal) {
      await waitFor(() => store.migrate((db, quick) => migrateUp(db, quick, signal)), log, signal)
      ready = !signal.aborted
    },
  }
}

/** What to tell an operator of a database that does not work. */
export const databaseFailure = (error: unknown): StartError =>
  new StartError(`The database cannot be used: ${describeError(error)}.`, { cause: error })

/** Tries until it works; says once that it waits, and once that the waiting is over. */
async function waitFor(attempt: () => Promise<unknown>, log: Logger, signal: AbortSignal): Promise<void> {
  let waiting = false
  while (!signal.aborted) {
    try {
      await attempt()
      if (waiting) log.info('the database is there')
      return
    } catch (error) {
      if (!isUnavailable(error)) throw databaseFailure(error)
      if (!waiting) log.warn({ error: describeError(error) }, 'the database is not there yet; waiting for it')
      waiting = true
      await sleep(RETRY_DELAY, undefined, { signal }).catch(() => undefined)
    }
  }
}
