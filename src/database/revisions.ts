/**
 * The row of each user that numbers their writes and counts their tasks and keys. A write locks it last and holds the
 * lock until it commits. So revisions increase and become visible in order; a number may be skipped, but is never
 * filled in later.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Place, Places } from './statement.ts'

/** The change of a counter for each task written. */
type PerTask = 1 | -1

interface Take {
  /** The rows about to be written, one for each revision; without rows, no revision is taken. */
  rows: RawBuilder<unknown>
  live?: PerTask
  tombstones?: PerTask
  /** A further condition on the row `c`. */
  when?: RawBuilder<unknown>
}

/**
 * Takes the user's next revisions, one for each of `rows`. Returns the last of them and the number of tombstones, or no
 * row if there is nothing to write.
 */
export const takeRevisions = (userId: Place, { rows, live, tombstones, when }: Take) => {
  const count = (column: string, change: PerTask | undefined) =>
    change === undefined
      ? sql``
      : sql`, ${sql.ref(column)} = c.${sql.ref(column)} ${sql.raw(change > 0 ? '+' : '-')} n.count`
  return sql`
      update user_clock as c set revision = c.revision + n.count${count('live', live)}${count('tombstones', tombstones)}
      from (select count(*) as count from ${rows} as rows) as n
      where c.user_id = ${userId} and n.count > 0${when === undefined ? sql`` : sql` and ${when}`}
      returning c.revision, c.tombstones`
}

/**
 * Takes a revision for a new task of a user who may be new as well. Returns no row if `quota` is reached or `when` is
 * false.
 */
export const takeRevisionForNew = (
  { userId, epoch, quota }: Places<{ userId: string; epoch: number; quota: number }>,
  when?: RawBuilder<unknown>,
) => sql`
      insert into user_clock as c (user_id, revision, live, epoch)
      ${when === undefined ? sql`values (${userId}, 1, 1, ${epoch})` : sql`select ${userId}::text, 1, 1, ${epoch}::bigint where ${when}`}
      on conflict (user_id) do update set revision = c.revision + 1, live = c.live + 1 where c.live < ${quota}::bigint
      returning c.revision`

/** Updates counters if the statement's `gone` has deleted rows. Takes no revision. */
export const adjustCounters = (userId: Place, changes: Record<string, RawBuilder<unknown>>) => sql`
      update user_clock as c set ${sql.join(Object.entries(changes).map(([column, value]) => sql`${sql.ref(column)} = ${value}`))}
      where c.user_id = ${userId} and exists (select from gone)`
