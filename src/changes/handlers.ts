/** The change feed: what a client has to learn since it last asked. */
import type { Handler } from '../contract/types.ts'
import { validationFailed } from '../contract/validate.ts'
import { Problem } from '../problem.ts'
import type { Task } from '../tasks/queries.ts'
import * as changes from './queries.ts'
import * as tokens from './token.ts'

export const listChanges: Handler<'listChanges'> = async ({ path, query, db }) => {
  const { since: token, limit } = query
  const from = token === undefined ? SNAPSHOT : tokens.decode(path.user_id, token)
  if (from === undefined) return unknownToken()

  // One more than asked for tells whether there is more.
  const { clock, purged, tasks } = await changes.list(db, path.user_id, from, limit + 1)
  const since = Math.max(from.position, from.since ?? clock)
  // Above the clock: the data are those of a backup, and numbers are given a second time.
  if (since < purged || since > clock) return expiredToken()

  const data = tasks.slice(0, limit)
  const has_more = tasks.length > limit
  const last = data.at(-1)
  const position = has_more && last !== undefined ? last.revision : clock
  const next = tokens.encode(path.user_id, { position, since: Math.max(position, since) })
  return { status: 200, body: { data: data.map(toChange), next, has_more } }
}

/**
 * A snapshot has no deletions but those that happen while it is read: a client may have got the task on an earlier page.
 */
const SNAPSHOT = { position: 0, since: null }

const toChange = (task: Task) => {
  const deleted = task.deleted_at !== null
  return { id: task.id, revision: task.revision, deleted, task: deleted ? null : task }
}

const unknownToken = () =>
  validationFailed([
    { in: 'query', name: 'since', code: 'wrong_format', detail: 'must be a token of this user, as it was given' },
  ])

const expiredToken = () =>
  new Problem('sync_token_expired', 'Deletions since this token are no longer known. Start again without since.')
