/**
 * Page cursors: an order and the last row before the page, as base64url of the JSON array `[sort, key, id]`. Cursors
 * are opaque to clients; a cursor that no page can have returned is refused.
 */
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

export const serialize = (content: unknown[]) => Buffer.from(JSON.stringify(content)).toString('base64url')

/** The order and position of a cursor; undefined if `encode` cannot have created it. */
export function decode(cursor: string): { sort: Sort; after: Position } | undefined {
  const content = parse(cursor)
  const [sort, key, id] = content
  if (content.length !== 3 || serialize(content) !== cursor) return undefined
  if (!isSort(sort) || typeof id !== 'string' || !UUID.test(id) || !orderOf(sort).isValid(key)) return undefined
  return { sort, after: { key: key as Position['key'], id } }
}

/** The array that a cursor consists of; empty if it is none. */
export function parse(cursor: string): unknown[] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
