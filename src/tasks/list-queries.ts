/**
 * All SQL on lists of tasks. A page is one range of an index for each value of `completed`; other filters are applied to
 * the rows of these ranges, of which one request reads a bounded number.
 */
import { type Kysely, sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { type Places, read } from '../database/statement.ts'
import type { Tables } from '../database/tables.ts'
import { columnsOf, columnsRead, type Task } from './columns.ts'
import type { Position } from './cursor.ts'
import { conditions, type Filter, type Filters } from './filters.ts'
import { boundedInBytes } from './page.ts'
import { type Order, orderOf, type Sort, TRASH_ORDER } from './sorts.ts'

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

interface Values extends Omit<Page, 'sort' | 'filters' | 'after'>, Filters, Position {
  /** Where the rows with the last key start, if they are a range of their own. */
  lastId: string
  /** Maximum number of rows to read. */
  scan: number
}

/** How many tasks a request with filters reads at most, besides those of `completed`: some milliseconds. */
export const MAX_SCANNED = 5_000

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The ranges of the order after a position; together they have all rows of the list. */
function rangesOf({ column, type, isDescending, last }: Order, { key, id, lastId }: Places<Values>) {
  // A row comparison, which PostgreSQL turns into the start of an index range.
  const after = sql`(${column}, id) ${isDescending ? sql`<` : sql`>`} (${key}::${type}, ${id}::uuid)`
  // In ascending order the last key comes last anyway.
  if (last === undefined || !isDescending) return [after]
  return [sql`${after} and ${column} < ${sql.lit(last)}`, sql`${column} = ${sql.lit(last)} and id < ${lastId}::uuid`]
}

/** @param name undefined for a statement not worth preparing on every connection */
const listing = (name: string | undefined, sort: Sort, filters: readonly Filter[]) =>
  read.many<Values, Task & { matches: boolean; is_end: boolean }>(name, places => {
    const order = orderOf(sort)
    const { column, rows, isDescending, last } = order
    const direction = isDescending ? sql`desc` : sql`asc`
    const byKey = sql`sort_key ${direction}, id ${direction}`
    const inOrder = last === undefined ? byKey : sql`sort_key = ${sql.lit(last)}, ${byKey}`
    const others = filters.filter(filter => filter !== 'completed').map(filter => conditions[filter](places))
    const matches = others.length === 0 ? sql`true` : sql.join(others, sql` and `)
    const states = filters.includes('completed') ? [conditions.completed(places)] : [sql`not completed`, sql`completed`]
    const most = others.length === 0 ? places.limit : places.scan
    const ranges = rangesOf(order, places).flatMap(range =>
      states.map(
        state => sql`
        (select ${columnsOf('task')}, ${column} as sort_key, ${matches} as matches from task
        where user_id = ${places.userId} and ${state} and ${rows(places)} and ${range}
        order by ${column} ${direction}, id ${direction}
        ${limitTo(most)})`,
      ),
    )
    const read = sql`
      select * from (${sql.join(ranges, sql` union all `)}) as ranges
      order by ${inOrder}
      ${limitTo(most)}`
    const page =
      others.length === 0
        ? sql`select *, false as is_end from (${read}) as read order by ${inOrder}`
        : sql`
      select * from (
        select *, row_number() over (order by ${inOrder}) = ${places.scan}::int as is_end from (${read}) as read
      ) as numbered
      where matches or is_end
      order by ${inOrder}
      ${limitTo(places.limit)}`
    return boundedInBytes(page, inOrder, sql`${columnsRead('measured')}, matches, is_end`, places.pageBytes)
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

export interface Listed {
  /** Up to `limit`. */
  tasks: Task[]
  /** The task at which reading ended, although there may be more that match after it. */
  end: Task | undefined
}

/**
 * Tasks after `after` that match the filters, in the order of `sort`; equal keys by id, in the same direction. Fewer if
 * the text before the last one reaches `pageBytes`.
 */
export async function list(db: Kysely<Tables>, { sort, filters, after, ...page }: Page): Promise<Listed> {
  const names = Object.keys(filters) as Filter[]
  const start = after ?? startOf(sort)
  const lastId = start.key === orderOf(sort).last ? start.id : LAST_ID
  const values = { ...page, ...filters, ...start, lastId, scan: MAX_SCANNED }
  const rows = await listingOf(sort, names)(db, values)
  const end = rows.at(-1)
  return {
    tasks: rows.filter(({ matches }) => matches).map(toTask),
    end: end?.is_end ? toTask(end) : undefined,
  }
}

const toTask = ({ matches: _, is_end: __, ...task }: Task & { matches: boolean; is_end: boolean }): Task => task

/** The position before the first row: a first page is a range like any other. */
function startOf(sort: Sort): Position {
  const { bounds, isDescending } = orderOf(sort)
  return isDescending ? { key: bounds[1], id: LAST_ID } : { key: bounds[0], id: FIRST_ID }
}
