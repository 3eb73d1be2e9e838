/** The change feed: the tasks that were written or deleted since a client's last request. */
import type { Handler } from '../context.ts'
import type { components } from '../contract/openapi.gen.ts'
import { Problem } from '../contract/problem.ts'
import { validationFailed } from '../contract/validate.ts'
import type { Task } from '../tasks/columns.ts'
import { cutPage } from '../tasks/page.ts'
import * as changes from './queries.ts'
import * as tokens from './token.ts'

export const listChanges: Handler<'listChanges'> = async ({ path, query }, { db, limits: { pageBytes } }) => {
  const { sync_token: token, limit } = query
  const from = token === undefined ? undefined : tokens.decode(path.user_id, token)
  if (token !== undefined && from === undefined) return unknownToken()

  // One more than requested, to find out whether there are more.
  const range = { ...(from ?? SNAPSHOT), limit: limit + 1, pageBytes }
  const { clock, purged, epoch, tasks } = await changes.list(db, { userId: path.user_id, ...range })
  const since = from === undefined ? clock : Math.max(from.position, from.since)
  // A position above the clock: the data were restored from a backup, and revisions are used a second time.
  if (since < purged || since > clock || (from !== undefined && hasOtherEpoch(from, epoch))) return expiredToken()

  const { data, hasMore } = cutPage(tasks, limit, pageBytes)
  const position = hasMore ? (data.at(-1) as Task).revision : clock
  const next_sync_token = tokens.encode(path.user_id, { position, since: Math.max(position, since), epoch })
  return { status: 200, body: { data: data.map(toChange), next_sync_token, has_more: hasMore } }
}

/** The contract's `kind` is open; these are the kinds that exist. */
type Change = components['schemas']['Change'] & { kind: components['schemas']['ChangeKind'] }

/** A snapshot has only deletions that happen while it is read, of tasks that an earlier page may have returned. */
const SNAPSHOT = { position: 0, since: null }

/** A client at position 0 knows nothing yet, so its epoch does not matter. */
const hasOtherEpoch = (from: tokens.SyncPosition, epoch: number) =>
  from.epoch !== epoch && (from.position > 0 || from.since > 0)

const toChange = (task: Task): Change => {
  const deleted = task.deleted_at !== null
  return { kind: 'task', id: task.id, revision: task.revision, deleted, task: deleted ? null : task }
}

const unknownToken = () =>
  validationFailed([
    { in: 'query', name: 'sync_token', code: 'wrong_format', detail: 'must be a next_sync_token of this user' },
  ])

const expiredToken = () =>
  new Problem(
    'sync_token_expired',
    'This token is too old, or the data have since been erased or restored from a backup. ' +
      'Start again without sync_token.',
  )
