/** Statements that wait for each other, on PostgreSQL. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../../src/database/tables.ts'

/** Until a statement with `text` in it waits for a lock; looked at from a transaction, whose connection is not shared with it. */
export async function untilWaiting(db: Kysely<Tables>, text: string): Promise<void> {
  const waiting = sql`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like ${`%${text}%`}`
  await db.transaction().execute(async transaction => {
    while ((await waiting.execute(transaction)).rows.length === 0) {
      // A transaction sees the sessions as they were when it first looked.
      await sql`select pg_stat_clear_snapshot()`.execute(transaction)
      await sleep(5)
    }
  })
}
