/** All SQL of the change feed. */
import { type Kysely, sql } from 'kysely'
import { read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { columns, type Task } from '../tasks/queries.ts'

export interface Changes {
  /** The user's clock: the revision of the last write. */
  clock: number
  /** The newest revision of a deletion that is not known any more. */
  purged: number
  /** Deleted ones included, in the order of their revisions. */
  tasks: Task[]
}

interface ListValues {
  userId: string
  position: number
  since: number | null
  limit: number
}

const listing = read(
  'changes_list',
  (_db, { userId, position, since, limit }: ListValues) => sql<
    { clock: number; purged: number } & (Task | { id: null })
  >`
    select clock.revision as clock, clock.purged_revision as purged, changed.*
    from user_clock as clock
    left join lateral (
      select ${sql.join(columns.map(column => sql.ref(column)))} from task
      where user_id = ${userId} and revision > ${position}
        and (deleted_at is null or revision > coalesce(${since}::bigint, clock.revision))
      order by revision
      limit ${limit}
    ) as changed on true
    where clock.user_id = ${userId}
    order by changed.revision`,
)

/**
 * Up to `limit` tasks that were written after `position`, without those that were deleted up to `since`, or up to now
 * where it is null. Clock and tasks are of one moment: what is not among them yet has a revision above the clock.
 */
export async function list(
  db: Kysely<Tables>,
  userId: string,
  { position, since }: { position: number; since: number | null },
  limit: number,
): Promise<Changes> {
  const rows = await listing(db, { userId, position, since, limit })
  const { clock = 0, purged = 0 } = rows[0] ?? {}
  const tasks = rows.flatMap(({ clock: _, purged: __, ...task }) => (task.id === null ? [] : [task]))
  return { clock, purged, tasks }
}
