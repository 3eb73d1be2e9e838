/** The interface that both databases implement. */
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** The number of busy and idle connections, and of requests that wait for one. */
export interface PoolLoad {
  busy: number
  idle: number
  waiting: number
}

export interface PoolUsage extends PoolLoad {
  /** Maximum number of connections. */
  max: number
}

export interface Store {
  readonly kysely: Kysely<Tables>
  /** The pools by what they are for; undefined for PGlite, which has none. */
  readonly poolUsage?: (() => Record<string, PoolUsage>) | undefined
  /** The database and its location, for people; without credentials. */
  readonly description: string
  /**
   * Runs `work` on a connection for migrations, which has no timeouts.
   * @param work also gets a second connection with a timeout, for reads and the lock; on PGlite, both are the same
   */
  migrate<T>(work: (db: Kysely<Tables>, quick: Kysely<Tables>) => Promise<T>): Promise<T>
  close(): Promise<void>
}
