/** Locks in the database that tests take or wait for. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { onCitus } from '../../scripts/support/service.ts'
import type { Database } from '../../src/database/open.ts'
import type { Tables } from '../../src/database/tables.ts'

/** The sessions of this server. */
const sessions = sql`select pid as id, datname, query, wait_event_type from pg_stat_activity`

/** Those of all nodes. A statement of the coordinator waits in a session on a worker, with a text of Citus. */
const sessionsOfNodes = sql`select global_pid as id, datname, query, wait_event_type from citus_stat_activity`

/** Until a statement with `text` in it waits for a lock. */
export async function untilWaiting(db: Kysely<Tables>, text: string): Promise<void> {
  const waiting = sql`
    with session as (${onCitus ? sessionsOfNodes : sessions})
    select from session
    where datname = current_database() and query like ${`%${text}%`}
      and id in (select id from session where wait_event_type = 'Lock')`
  // Each time in a new transaction: its connection is not shared with the statement, and it sees the current sessions.
  const look = () => db.transaction().execute(transaction => waiting.execute(transaction))
  while ((await look()).rows.length === 0) await sleep(5)
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
