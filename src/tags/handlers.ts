/** The handlers of the operations on the tags of all of a user's tasks. */
import type { Handler } from '../context.ts'
import { unknownCursor } from '../contract/cursor.ts'
import * as cursors from './cursor.ts'
import * as tags from './queries.ts'

export const listTags: Handler<'listTags'> = async ({ path, query: { limit, cursor } }, { db }) => {
  const after = cursor === undefined ? '' : cursors.decode(cursor)
  if (after === undefined) return unknownCursor()
  // One more than requested, to find out whether there is a next page.
  const found = await tags.list(db, { userId: path.user_id, after, limit: limit + 1 })
  const data = found.slice(0, limit)
  const last = data.at(-1)
  if (last === undefined || found.length === data.length) return { status: 200, body: { data, next_cursor: null } }

  const next_cursor = cursors.encode(last.name)
  const next = new URLSearchParams({ limit: String(limit), cursor: next_cursor })
  const Link = `</api/${encodeURIComponent(path.user_id)}/tags?${next}>; rel="next"`
  return { status: 200, body: { data, next_cursor }, headers: { Link } }
}

/** Maximum number of tasks that one request changes: well within a statement's timeout. */
const MAX_CHANGED = 5_000

export const renameTag: Handler<'renameTag'> = async ({ path, body: { name } }, { db, now }) => {
  const { user_id: userId, tag } = path
  // The tasks would have the tag afterwards as well, so a client would repeat the request without end.
  if (name === tag) return { status: 200, body: { updated_count: 0, has_more: false } }
  const body = await tags.rename(db, { userId, tag, name, limit: MAX_CHANGED, now: now().toISOString() })
  return { status: 200, body }
}

export const deleteTag: Handler<'deleteTag'> = async ({ path: { user_id: userId, tag } }, { db, now }) => {
  const body = await tags.remove(db, { userId, tag, limit: MAX_CHANGED, now: now().toISOString() })
  return { status: 200, body }
}
