/** All SQL of the change feed. */
import { type Kysely, sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { columnsOf, columnsRead, type Task } from '../tasks/columns.ts'
import { boundedInBytes } from '../tasks/page.ts'

export interface Changes {
  /** The revision of the user's last write. */
  clock: number
  /** The newest revision of a purged deletion. */
  purged: number
  /** The epoch of the user's data; 0 if there are none. */
  epoch: number
  /** In the order of their revisions, including deleted tasks. */
  tasks: Task[]
}

export interface ChangeRange {
  /** Tasks written up to this revision are left out. */
  position: number
  /** Deletions up to this revision are left out; null leaves out all. */
  since: number | null
  limit: number
  /** Maximum number of bytes of text in the tasks before the last one. */
  pageBytes: number
}

type Found = { clock: number; purged: number; epoch: number } & (Task | { id: null })

// Live tasks and tombstones have an index each, so that a snapshot does not scan the trash.
const listing = read.many<ChangeRange & { userId: string }, Found>(
  'changes_list',
  ({ userId, position, since, limit, pageBytes }) => {
    const range = (state: ReturnType<typeof sql>) => sql`
      select ${columnsOf('task')} from task
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
    select clock.revision as clock, clock.purged_revision as purged, clock.epoch, ${columnsRead('changed')}
    from user_clock as clock
    left join lateral (${boundedInBytes(page, sql`revision`, columnsRead('measured'), pageBytes)}) as changed on true
    where clock.user_id = ${userId}
    order by changed.revision`
  },
)

/**
 * The tasks of a range of revisions, fewer if their text reaches `pageBytes`. Clock and tasks are from one snapshot:
 * later writes have revisions above the clock.
 */
export async function list(db: Kysely<Tables>, range: ChangeRange & { userId: string }): Promise<Changes> {
  const rows = await listing(db, range)
  const { clock = 0, purged = 0, epoch = 0 } = rows[0] ?? {}
  const tasks = rows.flatMap(({ clock: _, purged: __, epoch: ___, ...task }) => (task.id === null ? [] : [task]))
  return { clock, purged, epoch, tasks }
}
