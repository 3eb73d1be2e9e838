/** The SQL on lists of tasks. */
import { type Kysely, sql } from 'kysely'
import type { operations } from '../contract/openapi.gen.ts'
import { perShape, read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import type { Position } from './cursor.ts'
import { boundedInBytes } from './page.ts'
import { allColumns, type Task } from './queries.ts'

export type Sort = NonNullable<NonNullable<operations['listTasks']['parameters']['query']>['sort']>

export interface Page {
  sort: Sort
  limit: number
  /** How much text the rows may have before the last one, in bytes. */
  pageBytes: number
  completed?: boolean | undefined
  after?: Position | undefined
  /** Not the live tasks, but those that were deleted since then. */
  deletedSince?: string | undefined
}

type ListValues = Omit<Page, 'sort' | 'after'> & { userId: string } & Partial<Position>

const listing = perShape((sort: Sort, isFiltered: boolean, isTrash: boolean, isContinued: boolean) => {
  const name = `task_list ${sort}${isFiltered ? ' filtered' : ''}${isTrash ? ' trash' : ''}${isContinued ? ' continued' : ''}`
  const isDescending = sort.startsWith('-')
  const column = sql.ref(sort.replace('-', ''))
  const direction = isDescending ? sql`desc` : sql`asc`
  const order = sql`${column} ${direction}, id ${direction}`
  return read<ListValues, Task>(name, (_db, { userId, limit, pageBytes, completed, key, id, deletedSince }) => {
    // A row comparison, which PostgreSQL turns into the start of an index range.
    const start = isContinued ? sql`and (${column}, id) ${isDescending ? sql`<` : sql`>`} (${key}, ${id}::uuid)` : sql``
    const state = isTrash ? sql`and deleted_at > ${deletedSince}` : sql`and deleted_at is null`
    const range = (filter = sql``) => sql`
      select ${allColumns} from task
      where user_id = ${userId} ${filter} ${state} ${start}
      order by ${order}
      limit ${limit}`
    const completedIs = (value: unknown) => sql`and completed = ${value}`
    const both = sql`
      select * from ((${range(sql`and not completed`)}) union all (${range(sql`and completed`)})) as ranges
      order by ${order}
      limit ${limit}`
    // The trash has indexes by completion only: fewer indexes for what is seldom looked at.
    const page = isFiltered ? range(completedIs(completed)) : isTrash ? both : range()
    return boundedInBytes<Task>(page, order, allColumns, pageBytes)
  })
})

/**
 * Up to `limit` tasks after `after`, in the order of `sort`; equal keys by id, in the same direction. Fewer where the text before the last
 * one reaches `pageBytes`.
 */
export async function list(db: Kysely<Tables>, userId: string, { sort, after, ...page }: Page): Promise<Task[]> {
  const run = listing(sort, page.completed !== undefined, page.deletedSince !== undefined, after !== undefined)
  return run(db, { userId, ...page, ...after })
}
