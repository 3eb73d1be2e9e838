/**
 * All SQL on lists of tasks. A page is one range of an index for each value of `completed`; filters that do not narrow
 * these ranges are applied to their rows, of which one statement reads a bounded number.
 */
import { type Kysely, sql } from 'kysely'
import { limitTo } from '../database/planning.ts'
import { read } from '../database/statement.ts'
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
  /** Maximum number of tasks that are read to apply filters. */
  scannedTasks: number
  after?: Position | undefined
  /** For the trash: tasks deleted before this time are no longer in it. */
  deletedSince?: string | undefined
}

interface Values extends Omit<Page, 'sort' | 'filters' | 'after'>, Filters, Position {
  /** The least key. */
  least: string
}

/** A task, and whether it matches the filters; `is_end` if no task after it was read. */
type Scanned = Task & { matches: boolean; is_end: boolean }

/** Those that are conditions on the ranges, and those that are applied to their rows. */
function split(filters: readonly Filter[], { filters: ofKey = [] }: Order) {
  const { ranged = [], applied = [] } = Object.groupBy(filters, filter =>
    filter === 'completed' || ofKey.includes(filter) ? 'ranged' : 'applied',
  )
  return { ranged, applied }
}

/**
 * The tasks of a page; with filters that are applied to rows, `Scanned`.
 * @param name undefined for a statement not worth preparing on every connection
 */
const listing = (name: string | undefined, order: Order, filters: readonly Filter[]) =>
  read.many<Values, Task>(name, places => {
    const { column, type, rows, isDescending } = order
    const { ranged, applied } = split(filters, order)
    const isBounded = applied.length > 0
    const direction = isDescending ? sql`desc` : sql`asc`
    const inOrder = sql`sort_key ${direction}, id ${direction}`
    const range = [
      rows(places),
      // A row comparison, which PostgreSQL turns into the start of an index range.
      sql`(${column}, id) ${isDescending ? sql`<` : sql`>`} (${places.key}::${type}, ${places.id}::uuid)`,
      ...(isSplit(order) ? [sql`${column} >= ${places.least}::${type}`] : []),
      ...ranged.filter(filter => filter !== 'completed').map(filter => conditions[filter](places)),
    ]
    const states = ranged.includes('completed') ? [conditions.completed(places)] : [sql`not completed`, sql`completed`]
    const matches = sql.join(
      applied.map(filter => conditions[filter](places)),
      sql` and `,
    )
    const most = limitTo(isBounded ? places.scannedTasks : places.limit)
    const ranges = states.map(
      state => sql`
        (select ${columnsOf('task')}, ${column} as sort_key${isBounded ? sql`, ${matches} as matches` : sql``} from task
        where user_id = ${places.userId} and ${state} and ${sql.join(range, sql` and `)}
        order by ${column} ${direction}, id ${direction}
        ${most})`,
    )
    const merged = sql`
      select * from (${sql.join(ranges, sql` union all `)}) as ranges
      order by ${inOrder}
      ${most}`
    const columns = columnsRead('measured')
    if (!isBounded) return boundedInBytes(merged, inOrder, columns, places.pageBytes)
    const page = sql`
      select * from (
        select *, row_number() over (order by ${inOrder}) = ${places.scannedTasks}::int as is_end
        from (${merged}) as merged
      ) as numbered
      where matches or is_end
      order by ${inOrder}
      ${limitTo(places.limit)}`
    return boundedInBytes(page, inOrder, sql`${columns}, matches, is_end`, places.pageBytes)
  })

const hot = new Map<string, ReturnType<typeof listing>>()

function listingOf(sort: Sort, order: Order, filters: readonly Filter[]) {
  // Frequent are lists of live tasks with no filters but those of a range.
  if (sort === TRASH_ORDER || split(filters, order).applied.length > 0) return listing(undefined, order, filters)
  const name = ['task_list', sort, ...filters].join(' ')
  const known = hot.get(name)
  if (known !== undefined) return known
  const created = listing(name, order, filters)
  hot.set(name, created)
  return created
}

/** Whether the rows with the last key are not at the end of the index in this direction, but a range of their own. */
const isSplit = ({ last, isDescending }: Order) => last !== undefined && isDescending

export interface Listed {
  /** Up to `limit`. */
  tasks: Task[]
  /** The task at which reading ended, although there may be more that match after it. */
  end: Task | undefined
}

/**
 * Tasks after `after` that match the filters, in the order of `sort`; equal keys by id, in the same direction. Fewer if
 * the text before the last one reaches `pageBytes`; `cutPage` leaves out what is beyond.
 */
export async function list(db: Kysely<Tables>, { sort, filters, after, ...page }: Page): Promise<Listed> {
  const order = orderOf(sort)
  const { last = '' } = order
  const names = Object.keys(filters) as Filter[]
  const read = async (start: Position, limit: number): Promise<Listed> => {
    const least = start.key === last ? last : order.bounds[0]
    const rows = await listingOf(sort, order, names)(db, { ...page, ...filters, ...start, limit, least })
    return split(names, order).applied.length === 0 ? { tasks: rows, end: undefined } : matching(rows as Scanned[])
  }
  const start = after ?? startOf(order)
  const first = await read(start, page.limit)
  const missing = page.limit - first.tasks.length
  if (!isSplit(order) || start.key === last || first.end !== undefined || missing === 0) return first
  const second = await read({ key: last, id: LAST_ID }, missing)
  return { tasks: [...first.tasks, ...second.tasks], end: second.end }
}

function matching(rows: Scanned[]): Listed {
  const end = rows.at(-1)
  return {
    tasks: rows.filter(({ matches }) => matches).map(toTask),
    end: end?.is_end ? toTask(end) : undefined,
  }
}

const toTask = ({ matches: _, is_end: __, ...task }: Scanned): Task => task

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

/** The position before the first row: a first page is a range like any other. */
const startOf = ({ bounds, isDescending }: Order): Position =>
  isDescending ? { key: bounds[1], id: LAST_ID } : { key: bounds[0], id: FIRST_ID }
