/** All SQL of purging: the only statements that look at all users at once. */
import { type Kysely, sql } from 'kysely'
import { read, write } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'

type Db = Kysely<Tables>

/** The name in `job`. */
const PURGE = 'purge'

const claiming = write('purge_claim', (db, { now, until }: { now: string; until: string }) =>
  db
    .insertInto('job')
    .values({ name: PURGE, not_before: until })
    .onConflict(conflict =>
      conflict.column('name').doUpdateSet({ not_before: until }).where('job.not_before', '<=', now),
    )
    .returning('name'),
)

/** Takes the job until `until`; false where somebody else has it, or did it not long ago. */
export async function claim(db: Db, now: string, until: string): Promise<boolean> {
  return (await claiming(db, { now, until })).length > 0
}

const keeping = write('purge_keep', (db, { until }: { until: string }) =>
  db
    .insertInto('job')
    .values({ name: PURGE, not_before: until })
    .onConflict(conflict => conflict.column('name').doUpdateSet({ not_before: until })),
)

/** Keeps the job until `until`, whoever has it. */
export async function keep(db: Db, until: string): Promise<void> {
  await keeping(db, { until })
}

interface Bounds {
  before: string
  limit: number
}

const findingTombstones = read('purge_find_tombstones', (db, { before, limit }: Bounds) =>
  db.selectFrom('task').select(['user_id', 'id']).where('deleted_at', '<', before).orderBy('deleted_at').limit(limit),
)

/** The ids of up to `limit` of the tombstones made before `before`, the oldest first, by user. */
export async function findTombstones(db: Db, before: string, limit: number): Promise<Map<string, string[]>> {
  const users = Map.groupBy(await findingTombstones(db, { before, limit }), ({ user_id }) => user_id)
  return new Map([...users].map(([user, tombstones]) => [user, tombstones.map(({ id }) => id)]))
}

const removingTombstones = write(
  'purge_remove_tombstones',
  (_db, { userId, ids, before }: { userId: string; ids: string[]; before: string }) => sql<{ count: number }>`
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
    returning (select count(*) from gone) as count`,
)

/**
 * Deletes those of a user's tasks that were deleted before `before`; returns how many. In the same statement the clock
 * remembers up to which revision deletions are no longer known.
 */
export async function removeTombstones(db: Db, userId: string, ids: string[], before: string): Promise<number> {
  const [removed] = await removingTombstones(db, { userId, ids, before })
  return removed?.count ?? 0
}

// The time is looked at once more: a key that is taken again while this waits for its row is a new one.
const removingKeys = write(
  'purge_remove_keys',
  (_db, { before, limit }: Bounds) => sql<{ count: number }>`
    with gone as (
      delete from idempotency_key
      where created_at < ${before} and (user_id, key) in (
        select user_id, key from idempotency_key
        where created_at < ${before}
        order by created_at
        limit ${limit}
      )
      returning key
    )
    select count(*) as count from gone`,
)

/** Deletes up to `limit` of the idempotency keys made before `before`, the oldest first; returns how many. */
export async function removeKeys(db: Db, before: string, limit: number): Promise<number> {
  const [removed] = await removingKeys(db, { before, limit })
  return removed?.count as number
}
