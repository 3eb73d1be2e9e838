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

/** The last row that was found: its time, user and id or key. */
export type Position = readonly [time: string, userId: string, id: string]

interface Range {
  before: string
  limit: number
  time: string
  user: string
  id: string
}

/** A row to purge. */
export interface Old {
  time: string
  user_id: string
  id: string
}

const findingTombstones = read(
  'purge_find_tombstones',
  (_db, { before, limit, time, user, id }: Range) => sql<Old>`
    select deleted_at as time, user_id, id from task
    where deleted_at < ${before} and (deleted_at, user_id, id) > (${time}, ${user}, ${id}::uuid)
    order by deleted_at, user_id, id
    limit ${limit}`,
)

/** Where the rows begin: before every row. */
export const START: Position = ['-infinity', '', '00000000-0000-0000-0000-000000000000']

/** Up to `limit` of the tombstones that were made before `before`, after a position, the oldest first. */
export const findTombstones = (db: Db, before: string, [time, user, id]: Position, limit: number): Promise<Old[]> =>
  findingTombstones(db, { before, limit, time, user, id })

interface Removal {
  userId: string
  ids: string[]
  before: string
}

const removingTombstones = write(
  'purge_remove_tombstones',
  (_db, { userId, ids, before }: Removal) => sql<{ count: number }>`
    with found as (
      select t.user_id, t.id from unnest(array(select id from unnest(${ids}::uuid[]) as id order by id)) as wanted (id)
      cross join lateral (
        select user_id, id, deleted_at from task where user_id = ${userId} and id = wanted.id offset 0 for update
      ) as t
      where t.deleted_at < ${before}::timestamptz
    ), gone as (
      delete from task as t using found
      where t.user_id = found.user_id and t.id = found.id
      returning t.revision
    )
    update user_clock as c set
      tombstones = c.tombstones - (select count(*) from gone),
      purged_revision = greatest(c.purged_revision, (select max(revision) from gone))
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

const findingKeys = read(
  'purge_find_keys',
  (_db, { before, limit, time, user, id }: Range) => sql<Old>`
    select created_at as time, user_id, key as id from idempotency_key
    where created_at < ${before} and (created_at, user_id, key) > (${time}, ${user}, ${id})
    order by created_at, user_id, key
    limit ${limit}`,
)

/** Up to `limit` of the idempotency keys that were taken before `before`, after a position, the oldest first. */
export const findKeys = (db: Db, before: string, [time, user, id]: Position, limit: number): Promise<Old[]> =>
  findingKeys(db, { before, limit, time, user, id })

// The time is looked at once more: a key that is taken again while this waits for its row is a new one.
const removingKeys = write(
  'purge_remove_keys',
  (_db, { userId, ids, before }: Removal) => sql<{ count: number }>`
    with found as (
      select k.user_id, k.key from unnest(array(
        select key from unnest(${ids}::text[]) as key order by key collate "C"
      )) as wanted (key)
      cross join lateral (
        select user_id, key, created_at from idempotency_key
        where user_id = ${userId} and key = wanted.key
        offset 0
        for update
      ) as k
      where k.created_at < ${before}::timestamptz
    ), gone as (
      delete from idempotency_key as k using found
      where k.user_id = found.user_id and k.key = found.key
      returning k.stored_bytes
    ), clock as (
      update user_clock as c set key_bytes = c.key_bytes - (select sum(stored_bytes) from gone)
      where user_id = ${userId} and exists (select from gone)
    )
    select count(*) as count from gone`,
)

/** Deletes those of a user's idempotency keys that were taken before `before`; returns how many. */
export async function removeKeys(db: Db, userId: string, keys: string[], before: string): Promise<number> {
  const [removed] = await removingKeys(db, { userId, ids: keys, before })
  return removed?.count as number
}
