/** The orders of lists. Equal keys are ordered by id, in the same direction. */
import { type RawBuilder, sql } from 'kysely'
import type { components } from '../contract/openapi.gen.ts'
import type { Places } from '../database/statement.ts'
import { PRIORITIES, type Task } from './columns.ts'
import { sortKey } from './dates.ts'
import type { Filter, Filters } from './filters.ts'

/** An order that a client may ask for. */
type ContractSort = components['schemas']['TaskSort']

/** The order of a list, as the contract says, if a client asks for none. */
export const DEFAULT_ORDER: ContractSort = 'created_at.desc'

/** The order of the trash: the newest deletion first. */
export const TRASH_ORDER = 'deleted_at.desc'

export type Sort = ContractSort | typeof TRASH_ORDER
type KeyName<Order extends string> = Order extends `${infer Name}.${'asc' | 'desc'}` ? Name : never

/** Keys before and after those of a range. */
type Bounds = readonly [below: string, above: string]

interface SortKey {
  /** In SQL, of a row of the table; the column of that name by default. */
  column?: RawBuilder<unknown>
  /** The key of a task, as in a cursor. */
  keyOf(task: Task): string
  /** Whether a cursor may have this key; PostgreSQL would reject others. */
  isValid(key: unknown): boolean
  /** The ranges of keys that a list has, in this order whatever its direction. */
  ranges(filters: Filters): Bounds[]
  /** Keys above this one come last in both directions, so that the rows are in two ranges. */
  split?: string
  /** The filters that `ranges` applies. */
  filters?: readonly Filter[]
  /** The type in SQL. */
  type: RawBuilder<unknown>
  /** The condition on the rows of the list: the predicate of its index, or a narrower one. */
  rows(places: Places<{ deletedSince?: string }>): RawBuilder<unknown>
}

const time = (name: 'created_at' | 'updated_at' | 'deleted_at') => ({
  keyOf: (task: Task) => task[name] as string,
  isValid: isTime,
  ranges: (): Bounds[] => [['-infinity', 'infinity']],
  type: sql`timestamptz`,
})
/** Above all keys of dates, and below `~`. */
const DATED = '}'

const live = () => sql`deleted_at is null`

/** Whether it is a timestamp in the contract's form. PostgreSQL has no year 0. */
const isTime = (key: unknown) =>
  typeof key === 'string' && /^(?!0000)\d{4}-/.test(key) && new Date(key).toJSON() === key

/** An order without an entry here, and so without cursors, does not compile. */
export const keys: Record<KeyName<Sort>, SortKey> = {
  created_at: { ...time('created_at'), rows: live },
  updated_at: { ...time('updated_at'), rows: live },
  title: {
    keyOf: task => task.title,
    isValid: key => typeof key === 'string' && key !== '' && key.isWellFormed() && !key.includes('\0'),
    // Longer than a title may be.
    ranges: () => [['', '\u{10ffff}'.repeat(256)]],
    type: sql`text`,
    rows: live,
  },
  due: {
    column: sql`task.due_key`,
    keyOf: task => sortKey(task.due),
    isValid: key => typeof key === 'string' && /^(\d{4}-\d\d-\d\d(T\d\d:\d\d)?|~)$/.test(key),
    // Tasks without a due date have the key `~`.
    split: DATED,
    ranges: ({ dueAfter, dueBefore, undated }) => [
      ...(undated ? [] : [[dueAfter ?? '', dueBefore ?? DATED] as const]),
      ...((dueAfter ?? dueBefore) === undefined ? [[`${DATED}~`, '\x7f'] as const] : []),
    ],
    filters: ['dueAfter', 'dueBefore', 'undated'],
    type: sql`text`,
    rows: live,
  },
  priority: {
    keyOf: task => `${PRIORITIES.indexOf(task.priority)}`,
    isValid: key => typeof key === 'string' && /^[0-4]$/.test(key),
    ranges: () => [['-1', `${PRIORITIES.length}`]],
    type: sql`smallint`,
    rows: live,
  },
  position: {
    keyOf: task => task.position,
    // Longer than a client may write, until moveTask has shortened it.
    isValid: key => typeof key === 'string' && /^[0-9A-Za-z]+$/.test(key),
    ranges: () => [['', '~']],
    type: sql`text`,
    rows: live,
  },
  deleted_at: { ...time('deleted_at'), rows: ({ deletedSince }) => sql`deleted_at > ${deletedSince}::timestamptz` },
}

export interface Order extends SortKey {
  column: RawBuilder<unknown>
  isDescending: boolean
}

const orders = new Map<unknown, Order>(
  Object.entries(keys).flatMap(([name, key]) => [
    // With the table's name; `order by priority` would mean the value of a response.
    [`${name}.asc`, { column: sql.ref(`task.${name}`), ...key, isDescending: false }],
    [`${name}.desc`, { column: sql.ref(`task.${name}`), ...key, isDescending: true }],
  ]),
)
// These have one direction only.
orders.delete('deleted_at.asc')
orders.delete('position.desc')

export const isSort = (text: unknown): text is Sort => orders.has(text)
export const orderOf = (sort: Sort): Order => orders.get(sort) as Order
