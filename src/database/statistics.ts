/** Planner statistics and vacuuming. On PostgreSQL autovacuum does this; PGlite has no autovacuum. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Logger } from 'pino'
import { describeError } from './errors.ts'
import type { Tables } from './tables.ts'

/**
 * The minimum size of a table to analyze, in blocks. The planner chooses a sequential scan for a table that it knows
 * to be small, and a prepared statement keeps that plan while the table grows, until it is analyzed again. For a table
 * that was never analyzed it assumes ten blocks and uses the index.
 */
const LARGE = 32

/** Analyzes the large tables. */
export async function analyzeLarge(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select relid::regclass::text as name from pg_stat_user_tables
    where schemaname = current_schema() and pg_relation_size(relid) >= ${LARGE} * current_setting('block_size')::int`.execute(
    db,
  )
  for (const { name } of rows) await sql`analyze ${sql.raw(name)}`.execute(db)
}

/** A table that autovacuum would process with its default thresholds (PostgreSQL's manual, 24.1.6). */
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
 * Maintains the tables every `interval` milliseconds. A failure is logged, and the next run tries again.
 * @returns a function that stops the maintenance and waits for the run in progress
 */
export function maintainPeriodically(db: Kysely<Tables>, interval: number, log: Logger): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  const onFailure = (error: unknown) =>
    log.warn({ error: describeError(error) }, 'a table was not maintained; it will be tried again')
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
