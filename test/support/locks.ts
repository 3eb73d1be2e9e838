/** Locks in the database that tests take or wait for. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'

/**
 * Until a statement with `text` in it waits for a lock; looked at from a transaction, whose connection is not shared
 * with it.
 */
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

export interface TableLock extends AsyncDisposable {
  release(): Promise<void>
}

/**
 * Makes all requests that need the table wait until the lock is released or goes out of scope. On PGlite they wait for
 * its one session.
 */
export async function lockTable({ kysely }: Pick<Database, 'kysely'>, table: keyof Tables): Promise<TableLock> {
  const locked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const holder = kysely.transaction().execute(async db => {
    await sql`lock table ${sql.table(table)} in access exclusive mode`.execute(db)
    locked.resolve()
    await released.promise
  })
  await locked.promise
  const release = () => {
    released.resolve()
    return holder
  }
  return { release, [Symbol.asyncDispose]: release }
}
