/**
 * Page cursors of tasks: an order and the last row before the page, as `[sort, key, id]`. A cursor that no page can
 * have returned is refused.
 */
import { parse, serialize } from '../contract/cursor.ts'
import type { Task } from './columns.ts'
import { isSort, orderOf, type Sort } from './sorts.ts'

/** The row after which a page starts: its sort key and id. */
export interface Position {
  key: string
  id: string
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The cursor of the page after `task` in the order of `sort`. */
export const encode = (sort: Sort, task: Task): string => serialize([sort, orderOf(sort).keyOf(task), task.id])

/** The order and position of a cursor; undefined if `encode` cannot have created it. */
export function decode(cursor: string): { sort: Sort; after: Position } | undefined {
  const content = parse(cursor)
  const [sort, key, id] = content
  if (content.length !== 3 || serialize(content) !== cursor) return undefined
  if (!isSort(sort) || typeof id !== 'string' || !UUID.test(id) || !orderOf(sort).isValid(key)) return undefined
  return { sort, after: { key: key as Position['key'], id } }
}
