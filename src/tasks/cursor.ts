/**
 * Page cursors: a position in one order, as base64url.
 *
 * Layout: 1 byte, the index of the order; 16 bytes, the id; then the sort key, 6 bytes of milliseconds since 1970 (big
 * endian) or the title in UTF-8. Decoding is total: whatever matches the contract's pattern is some position, so a
 * cursor that was made up is answered like any other.
 */
import type { Sort } from './list-queries.ts'
import type { Task } from './queries.ts'

/** The row after which a page starts: its sort key and id. */
export interface Position {
  key: string
  id: string
}

const sorts: readonly Sort[] = ['-created_at', 'created_at', '-updated_at', 'updated_at', 'title', '-title']
const byTitle = (sort: Sort) => sort === 'title' || sort === '-title'

const KEY_OFFSET = 17
const TIME_BYTES = 6
/** The end of year 9999, the last time that RFC 3339 can write. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** The cursor of the page after `task` in the order of `sort`. */
export function encode(sort: Sort, task: Task): string {
  const key = Buffer.alloc(TIME_BYTES)
  if (!byTitle(sort)) {
    key.writeUIntBE(Date.parse(sort.endsWith('created_at') ? task.created_at : task.updated_at), 0, TIME_BYTES)
  }
  return Buffer.concat([
    Buffer.of(sorts.indexOf(sort)),
    Buffer.from(task.id.replaceAll('-', ''), 'hex'),
    byTitle(sort) ? Buffer.from(task.title) : key,
  ]).toString('base64url')
}

/** The order that a cursor belongs to, and the position in it. */
export function decode(cursor: string): { sort: Sort; after: Position } {
  const bytes = Buffer.from(cursor, 'base64url')
  const head = Buffer.alloc(KEY_OFFSET + TIME_BYTES)
  bytes.copy(head)
  const sort = sorts[head.readUInt8(0) % sorts.length] as Sort
  const id = formatUuid(head.subarray(1, KEY_OFFSET))
  const key = byTitle(sort)
    ? bytes.subarray(KEY_OFFSET).toString().replaceAll('\0', '')
    : new Date(Math.min(head.readUIntBE(KEY_OFFSET, TIME_BYTES), LAST_TIME)).toISOString()
  return { sort, after: { key, id } }
}

/** 16 bytes as a UUID of whatever version: the uuid library refuses those of no version, the contract does not. */
const formatUuid = (bytes: Buffer) =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
