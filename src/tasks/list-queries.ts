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

/** A range of an order: after a position, up to a key. */
interface Range extends Position {
  end: string
}

interface Values extends Omit<Page, 'sort' | 'filters' | 'after'>, Filters, Range {}

/** A task, and whether it matches the filters; `is_end` if no task after it was read. */
type Scanned = Task & { matches: boolean; is_end: boolean }

/**
 * The tasks of a range. With filters besides `completed`, which are applied to its rows, they are `Scanned`.
 * @param name undefined for a statement not worth preparing on every connection
 */
const listing = (name: string | undefined, order: Order, filters: readonly Filter[]) =>
  read.many<Values, Task>(name, places => {
    const { column, type, rows, isDescending } = order
    const [direction, after, before] = isDescending ? [sql`desc`, sql`<`, sql`>`] : [sql`asc`, sql`>`, sql`<`]
    const inOrder = sql`sort_key ${direction}, id ${direction}`
    const end = order.split !== undefined ? sql` and ${column} ${before} ${places.end}::${type}` : sql``
    const states = filters.includes('completed') ? [conditions.completed(places)] : [sql`not completed`, sql`completed`]
    const applied = filters.filter(filter => filter !== 'completed').map(filter => conditions[filter](places))
    const isScanned = applied.length > 0
    const matches = isScanned ? sql`, ${sql.join(applied, sql` and `)} as matches` : sql``
    const most = limitTo(isScanned ? places.scannedTasks : places.limit)
    // The row comparison becomes the start of an index range.
    const ranges = states.map(
      state => sql`
        (select ${columnsRead('task')}, ${column} as sort_key${matches} from task
        where user_id = ${places.userId} and ${state} and ${rows(places)}
          and (${column}, id) ${after} (${places.key}::${type}, ${places.id}::uuid)${end}
        order by ${column} ${direction}, id ${direction}
        ${most})`,
    )
    const merged = sql`
      select * from (${sql.join(ranges, sql` union all `)}) as ranges
      order by ${inOrder}
      ${most}`
    // Computed for the rows of the page, not for all that are read.
    const columns = columnsOf('measured')
    if (!isScanned) return boundedInBytes(merged, inOrder, columns, places.pageBytes)
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

const isHot = (sort: Sort, filters: readonly Filter[]) =>
  sort !== TRASH_ORDER && filters.every(filter => filter === 'completed')

const hot = new Map<string, ReturnType<typeof listing>>()

/** The frequent lists, those of live tasks without a scan, are prepared; the others are planned for their values. */
function listingOf(sort: Sort, order: Order, filters: readonly Filter[]) {
  if (!isHot(sort, filters)) return listing(undefined, order, filters)
  const name = ['task_list', sort, ...filters].join(' ')
  const known = hot.get(name)
  if (known !== undefined) return known
  const created = listing(name, order, filters)
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
 * the text before the last one reaches `pageBytes`; `cutPage` leaves out what is beyond.
 */
export async function list(db: Kysely<Tables>, { sort, filters, after, ...page }: Page): Promise<Listed> {
  const order = orderOf(sort)
  const names = (Object.keys(filters) as Filter[]).filter(filter => !order.filters?.includes(filter))
  const statement = listingOf(sort, order, names)
  const isScanned = names.some(filter => filter !== 'completed')
  const listed: Listed = { tasks: [], end: undefined }
  for (const range of rangesOf(order, filters, after)) {
    const limit = page.limit - listed.tasks.length
    if (limit === 0 || listed.end !== undefined) break
    const rows = await statement(db, { ...page, ...filters, ...range, limit })
    const { tasks, end } = isScanned ? matching(rows as Scanned[]) : { tasks: rows, end: undefined }
    listed.tasks.push(...tasks)
    listed.end = end
  }
  return listed
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

/** The ranges of a list after a position, or from its start. */
function rangesOf(order: Order, filters: Filters, after: Position | undefined): Range[] {
  const { isDescending, split } = order
  const ranges = order
    .ranges(filters)
    .map(([below, above]) =>
      isDescending ? { key: above, id: LAST_ID, end: below } : { key: below, id: FIRST_ID, end: above },
    )
  if (after === undefined) return ranges
  if (split === undefined) return ranges.map(range => ({ ...range, ...after }))
  const isLater = (key: string, other: string) => {
    if (key > split !== other > split) return key > split
    return isDescending ? key < other : key > other
  }
  return ranges
    .filter(({ end }) => isLater(end, after.key))
    .map(range => (isLater(after.key, range.key) ? { ...range, ...after } : range))
}
