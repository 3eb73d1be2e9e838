/** All SQL of the change feed. */
import { type Kysely, sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { allColumns, columnsOf, type Task } from '../tasks/columns.ts'
import { boundedInBytes } from '../tasks/page.ts'

export interface Changes {
  /** The revision of the user's last write. */
  clock: number
  /** The newest revision of a deletion that is not known any more. */
  purged: number
  /** The epoch of the user's data; 0 where the user has none. */
  epoch: number
  /** Deleted ones included, in the order of their revisions. */
  tasks: Task[]
}

export interface ChangeRange {
  /** Tasks that were written after this revision, */
  position: number
  /** without those that were deleted up to this one, or up to now where it is null. */
  since: number | null
  limit: number
  /** How much text the tasks may have before the last one, in bytes. */
  pageBytes: number
}

type Found = { clock: number; purged: number; epoch: number } & (Task | { id: null })

// Live tasks and tombstones have an index each, so that a snapshot does not walk the trash.
const listing = read.many<ChangeRange & { userId: string }, Found>(
  'changes_list',
  ({ userId, position, since, limit, pageBytes }) => {
    const range = (state: ReturnType<typeof sql>) => sql`
      select ${allColumns} from task
      where user_id = ${userId} and ${state}
      order by revision
      ${limitTo(limit)}`
    const live = range(sql`deleted_at is null and revision > ${position}::bigint`)
    const known = sql`coalesce(${since}::bigint, clock.revision)`
    const tombstones = range(sql`deleted_at is not null and revision > greatest(${position}::bigint, ${known})`)
    const page = sql`
      select * from ((${live}) union all (${tombstones})) as ranges
      order by revision
      ${limitTo(limit)}`
    return sql`
    select clock.revision as clock, clock.purged_revision as purged, clock.epoch, ${columnsOf('changed')}
    from user_clock as clock
    left join lateral (${boundedInBytes(page, sql`revision`, allColumns, pageBytes)}) as changed on true
    where clock.user_id = ${userId}
    order by changed.revision`
  },
)

/**
 * The tasks of a range of revisions, fewer where their text reaches `pageBytes`. Clock and tasks are of one moment:
 * what is not among them yet has a revision above the clock.
 */
export async function list(db: Kysely<Tables>, range: ChangeRange & { userId: string }): Promise<Changes> {
  const rows = await listing(db, range)
  const { clock = 0, purged = 0, epoch = 0 } = rows[0] ?? {}
  const tasks = rows.flatMap(({ clock: _, purged: __, epoch: ___, ...task }) => (task.id === null ? [] : [task]))
  return { clock, purged, epoch, tasks }
}
