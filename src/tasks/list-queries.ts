/** All SQL on lists of tasks: a page is one range of an index for each value of `completed`. */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { type Places, read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { allColumns, type Task } from './columns.ts'
import type { Position } from './cursor.ts'
import { boundedInBytes } from './page.ts'
import { orderOf, type Sort, TRASH_ORDER } from './sorts.ts'

/** The filters of a list, named as their parameters. */
export interface Filters {
  completed?: boolean | undefined
}

/** The condition of each filter on a row of `task`. */
const conditions = {
  completed: ({ completed }: Places<Filters>) => sql`completed = ${completed}::boolean`,
} satisfies Record<keyof Filters, unknown>
type Filter = keyof typeof conditions

export interface Page {
  userId: string
  sort: Sort
  filters: Filters
  limit: number
  /** Maximum number of bytes of text in the rows before the last one. */
  pageBytes: number
  after?: Position | undefined
  /** For the trash: tasks deleted before this time are no longer in it. */
  deletedSince?: string | undefined
}

type Values = Omit<Page, 'sort' | 'filters' | 'after'> & Filters & Position

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** @param name undefined for a statement not worth preparing on every connection */
const listing = (name: string | undefined, sort: Sort, filters: readonly Filter[]) =>
  read.many<Values, Task>(name, places => {
    const { userId, key, id, limit, pageBytes } = places
    const { column, type, rows, isDescending } = orderOf(sort)
    const [direction, beyond] = isDescending ? [sql`desc`, sql`<`] : [sql`asc`, sql`>`]
    const order = sql`${column} ${direction}, id ${direction}`
    const range = (...state: RawBuilder<unknown>[]) => {
      const conditionsOfFilters = filters.map(filter => conditions[filter](places))
      // A row comparison, which PostgreSQL turns into the start of an index range.
      const start = sql`(${column}, id) ${beyond} (${key}::${type}, ${id}::uuid)`
      const all = [sql`user_id = ${userId}`, ...state, ...conditionsOfFilters, rows(places), start]
      return sql`
        (select ${allColumns} from task
        where ${sql.join(all, sql` and `)}
        order by ${order}
        ${limitTo(limit)})`
    }
    const ranges = filters.includes('completed') ? [range()] : [range(sql`not completed`), range(sql`completed`)]
    const page = sql`
      select * from (${sql.join(ranges, sql` union all `)}) as ranges
      order by ${order}
      ${limitTo(limit)}`
    return boundedInBytes(page, order, allColumns, pageBytes)
  })

/** The frequently requested lists: live tasks, with or without the filter on `completed`. */
const isHot = (sort: Sort, filters: readonly Filter[]) =>
  sort !== TRASH_ORDER && filters.every(filter => filter === 'completed')

const hot = new Map<string, ReturnType<typeof listing>>()

function listingOf(sort: Sort, filters: readonly Filter[]) {
  if (!isHot(sort, filters)) return listing(undefined, sort, filters)
  const name = ['task_list', sort, ...filters].join(' ')
  const known = hot.get(name)
  if (known !== undefined) return known
  const created = listing(name, sort, filters)
  hot.set(name, created)
  return created
}

/**
 * Up to `limit` tasks after `after`, in the order of `sort`; equal keys by id, in the same direction. Fewer if the text
 * before the last one reaches `pageBytes`.
 */
export function list(db: Kysely<Tables>, { sort, filters, after, ...page }: Page): Promise<Task[]> {
  const names = (Object.keys(conditions) as Filter[]).filter(name => filters[name] !== undefined)
  return listingOf(sort, names)(db, { ...page, ...filters, ...(after ?? startOf(sort)) })
}

/** The position before the first row: a first page is a range like any other. */
function startOf(sort: Sort): Position {
  const { bounds, isDescending } = orderOf(sort)
  return isDescending ? { key: bounds[1], id: LAST_ID } : { key: bounds[0], id: FIRST_ID }
}
