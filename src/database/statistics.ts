/** What the planner knows of the tables. PostgreSQL's autovacuum sees to it; PGlite has none. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type Kysely, sql } from 'kysely'
import { describeError } from './errors.ts'
import type { Tables } from './tables.ts'

/** Vacuums and analyzes each table of which autovacuum would analyze it (PostgreSQL's manual, 24.1.6); returns their names. */
export async function maintain(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_stat_user_tables join pg_class using (relname)
    where pg_class.oid = relid and n_mod_since_analyze > current_setting('autovacuum_analyze_threshold')::int
      + current_setting('autovacuum_analyze_scale_factor')::float8 * greatest(reltuples, 0)
    order by relname`.execute(db)
  for (const { name } of rows) await sql`vacuum (analyze) ${sql.table(name)}`.execute(db)
  return rows.map(({ name }) => name)
}

/**
 * Maintains the tables every `interval` milliseconds; trouble is logged, and the next time comes.
 * @returns ends it, once nothing of it is in progress
 */
export function maintainPeriodically(
  db: Kysely<Tables>,
  interval: number,
  log: FastifyBaseLogger,
): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async () => {
    for (;;) {
      await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      try {
        await maintain(db)
      } catch (error) {
        log.warn({ error: describeError(error) }, 'a table was not analyzed, which will be tried again')
      }
    }
  }
  const running = run()
  return () => {
    stopping.abort()
    return running
  }
}
