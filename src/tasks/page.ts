/** Pages that are bounded in rows and in bytes. */
import { type RawBuilder, sql } from 'kysely'
import type { Place } from '../database/statement.ts'

interface Text {
  title: string
  description: string | null
  tags: string[]
}

/** The bytes of a row's text, in SQL. */
const textBytes = sql`
  octet_length(title) + coalesce(octet_length(description), 0) + octet_length(array_to_string(tags, ''))`

/**
 * The rows of `page` in `order`, up to the first one that exceeds `pageBytes` of text in total. That row does not fit
 * into the response, but shows that there is more.
 * @param page a query that is bounded in rows and returns them in `order`
 */
export const boundedInBytes = (
  page: RawBuilder<unknown>,
  order: RawBuilder<unknown>,
  columns: RawBuilder<unknown>,
  pageBytes: Place,
) => sql`
    select ${columns} from (
      select page.*, sum(${textBytes}) over (order by ${order} rows between unbounded preceding and 1 preceding) as bytes_before
      from (${page}) as page
    ) as measured
    where coalesce(bytes_before, 0) <= ${pageBytes}::bigint
    order by ${order}`

/**
 * The part of `rows` that a response holds: at most `limit` rows, with at most `pageBytes` of text.
 * @param rows the result of a query for one row more than `limit`, bounded in bytes
 */
export function cutPage<Row extends Text>(
  rows: Row[],
  limit: number,
  pageBytes: number,
): { data: Row[]; hasMore: boolean } {
  let bytes = 0
  for (const [index, { title, description, tags }] of rows.entries()) {
    bytes += Buffer.byteLength(title) + Buffer.byteLength(description ?? '') + Buffer.byteLength(tags.join(''))
    if (index === limit || bytes > pageBytes) return { data: rows.slice(0, index), hasMore: true }
  }
  return { data: rows, hasMore: false }
}
