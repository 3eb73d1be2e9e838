/** What the two kinds of database have in common. */
import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** How many connections there are for what, and how many requests wait for one. */
export interface PoolUsage {
  busy: number
  idle: number
  waiting: number
}

export interface Store {
  readonly kysely: Kysely<Tables>
  /** Where there is a pool. */
  readonly poolUsage?: () => PoolUsage
  /** Which database and where, for people; without credentials. */
  readonly description: string
  /**
   * Runs `work` on a connection that is fit for migrations: without the timeouts of requests.
   * @param work gets a second one as well, with a timeout, for what only looks and for the lock; on PGlite the same
   */
  migrate<T>(work: (db: Kysely<Tables>, quick: Kysely<Tables>) => Promise<T>): Promise<T>
  close(): Promise<void>
}
