/** All SQL of purging: the only statements that look at all users at once. */
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../database/tables.ts'

type Db = Kysely<Tables>

/** The name in `job`. */
const PURGE = 'purge'

/** Takes the job until `until`; false where somebody else has it, or did it not long ago. */
export async function claim(db: Db, now: string, until: string): Promise<boolean> {
  const taken = await db
    .insertInto('job')
    .values({ name: PURGE, not_before: until })
    .onConflict(conflict =>
      conflict.column('name').doUpdateSet({ not_before: until }).where('job.not_before', '<=', now),
    )
    .returning('name')
    .executeTakeFirst()
  return taken !== undefined
}

/** Keeps the job until `until`, whoever has it. */
export async function keep(db: Db, until: string): Promise<void> {
  await db
    .insertInto('job')
    .values({ name: PURGE, not_before: until })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ not_before: until }))
    .execute()
}

/** The ids of up to `limit` of the tombstones made before `before`, the oldest first, by user. */
export async function findTombstones(db: Db, before: string, limit: number): Promise<Map<string, string[]>> {
  const rows = await db
    .selectFrom('task')
    .select(['user_id', 'id'])
    .where('deleted_at', '<', before)
    .orderBy('deleted_at')
    .limit(limit)
    .execute()
  const users = Map.groupBy(rows, ({ user_id }) => user_id)
  return new Map([...users].map(([user, tombstones]) => [user, tombstones.map(({ id }) => id)]))
}

/**
 * Deletes those of a user's tasks that were deleted before `before`; returns how many. In the same statement the clock
 * remembers up to which revision deletions are no longer known.
 */
export async function removeTombstones(db: Db, userId: string, ids: string[], before: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with found as (
      select id from task
      where user_id = ${userId} and id = any(${ids}::uuid[]) and deleted_at < ${before}::timestamptz
      order by id
      for update
    ), gone as (
      delete from task
      where user_id = ${userId} and id = any(array(select id from found))
      returning revision
    )
    update user_clock as c
    set purged_revision = greatest(c.purged_revision, (select max(revision) from gone))
    where user_id = ${userId} and exists (select from gone)
    returning (select count(*) from gone) as count`.execute(db)
  return rows[0]?.count ?? 0
}

/** Deletes up to `limit` of the idempotency keys made before `before`, the oldest first; returns how many. */
export async function removeKeys(db: Db, before: string, limit: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('idempotency_key')
    // Once more: a key that is taken again while this waits for its row is a new one.
    .where('created_at', '<', before)
    .where(eb =>
      eb(
        eb.refTuple('user_id', 'key'),
        'in',
        eb
          .selectFrom('idempotency_key')
          .select(['user_id', 'key'])
          .where('created_at', '<', before)
          .orderBy('created_at')
          .limit(limit)
          .$asTuple('user_id', 'key'),
      ),
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
