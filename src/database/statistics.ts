/** What the planner knows of the tables. PostgreSQL's autovacuum sees to it; PGlite has none. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type Kysely, sql } from 'kysely'
import { describeError } from './errors.ts'
import type { Tables } from './tables.ts'

/**
 * The planner prefers to read a table of a few blocks from end to end, and prepared statements keep the plan when it has grown, until it
 * is counted again. One that was never counted it takes for larger. So no table is counted before it has so many blocks of 8 KiB.
 */
const LARGE = 32

/** Analyzes the tables that are large. */
export async function analyzeLarge(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select relid::regclass::text as name from pg_stat_user_tables
    where schemaname = current_schema() and pg_relation_size(relid) >= ${LARGE} * current_setting('block_size')::int`.execute(
    db,
  )
  for (const { name } of rows) await sql`analyze ${sql.raw(name)}`.execute(db)
}

/** What autovacuum would do to a table by PostgreSQL's own defaults (its manual, 24.1.6). */
interface Due {
  name: string
  /** Whether it has so many dead rows that it is vacuumed as well. */
  isBloated: boolean
}

/**
 * Vacuums and analyzes the large tables that have changed much.
 * @param onFailure gets the error of a table that could not be maintained
 */
async function maintain(db: Kysely<Tables>, onFailure: (error: unknown) => void): Promise<void> {
  const { rows } = await sql<Due>`
    select name, "isBloated" from (
      select s.relid::regclass::text as name, n_dead_tup > 50 + 0.2 * c.reltuples as "isBloated",
        n_mod_since_analyze > 50 + 0.1 * c.reltuples as "hasChanged"
      from pg_stat_user_tables as s join pg_class as c on c.oid = s.relid
      where schemaname = current_schema() and pg_relation_size(c.oid) >= ${LARGE} * current_setting('block_size')::int
    ) as tables
    where "isBloated" or "hasChanged"`.execute(db)
  for (const { name, isBloated } of rows) {
    try {
      await sql.raw(`${isBloated ? 'vacuum (analyze)' : 'analyze'} ${name}`).execute(db)
    } catch (error) {
      onFailure(error)
    }
  }
}

/**
 * Maintains the tables every `interval` milliseconds; trouble is logged, and the next time comes. It belongs to an open
 * PGlite, scripts included, and only one process can have that: so it is no job of `src/jobs`.
 * @returns ends it, once nothing of it is in progress
 */
export function maintainPeriodically(
  db: Kysely<Tables>,
  interval: number,
  log: FastifyBaseLogger,
): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  const onFailure = (error: unknown) =>
    log.warn({ error: describeError(error) }, 'a table was not maintained, which will be tried again')
  const run = async () => {
    for (;;) {
      await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      await maintain(db, onFailure).catch(onFailure)
    }
  }
  const running = run()
  return () => {
    stopping.abort()
    return running
  }
}
