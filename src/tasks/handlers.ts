/** What each operation on tasks does. */

import { Problem } from '../contract/problem.ts'
import type { Handler, Input } from '../contract/types.ts'
import { validationFailed } from '../contract/validate.ts'
import { createEpoch } from '../database/epoch.ts'
import { tooManyTasks } from '../quotas.ts'
import * as bulk from './bulk-queries.ts'
import type { Task } from './columns.ts'
import { holds, readCondition } from './condition.ts'
import * as cursors from './cursor.ts'
import { createId } from './id.ts'
import { list } from './list-queries.ts'
import { cutPage } from './page.ts'
import * as tasks from './queries.ts'
import { TRASH_ORDER } from './sorts.ts'

const now = () => new Date().toISOString()
/** What was deleted before can no longer be restored, whether it is purged already or not. */
const trashStart = (retention: number) => new Date(Date.now() - retention).toISOString()
const etag = ({ revision }: Pick<Task, 'revision'>) => `"${revision}"`
const ok = (task: Task) => ({ status: 200, body: task, headers: { ETag: etag(task) } }) as const
const hasChanged = (current: Pick<Task, 'revision'>) =>
  new Problem('precondition_failed', 'The task is at another revision. Read it, and decide again.', {
    headers: { ETag: etag(current) },
  })
const notFound = (id: string) => new Problem('task_not_found', `There is no task ${id}.`)

export const listTasks: Handler<'listTasks'> = async ({ path, query, db, limits }) => {
  const { limit, completed, deleted, cursor } = query
  const { pageBytes } = limits
  const position = cursor === undefined ? undefined : cursors.decode(cursor)
  if (cursor !== undefined && (position === undefined || (position.sort === TRASH_ORDER) !== deleted)) {
    return unknownCursor()
  }
  const { sort, after } = position ?? { sort: deleted ? TRASH_ORDER : query.sort }
  const deletedSince = deleted ? trashStart(limits.tombstoneRetention) : undefined
  // One more than asked for tells whether there is a next page.
  const page = { sort, filters: { completed }, deletedSince, after, limit: limit + 1, pageBytes }
  const { data, hasMore } = cutPage(await list(db, { userId: path.user_id, ...page }), limit, pageBytes)
  if (!hasMore) return { status: 200, body: { data, next_cursor: null } }

  const next_cursor = cursors.encode(sort, data.at(-1) as Task)
  const next = new URLSearchParams({ limit: String(limit), cursor: next_cursor })
  if (completed !== undefined) next.set('completed', String(completed))
  if (deleted) next.set('deleted', 'true')
  else next.set('sort', sort)
  const Link = `<${tasksPath(path.user_id)}?${next}>; rel="next"`
  return { status: 200, body: { data, next_cursor }, headers: { Link } }
}

const unknownCursor = () =>
  validationFailed([
    { in: 'query', name: 'cursor', code: 'wrong_format', detail: 'must be a cursor of this list, as it was returned' },
  ])

export const createTask: Handler<'createTask'> = async ({ path, body, db, limits }) => {
  const { id = createId(), ...fields } = body
  const key = { userId: path.user_id, id }
  const quota = limits.quotas.tasks
  const task = await tasks.insert(db, { ...key, ...fields, quota, epoch: createEpoch(), now: now() })
  if (task === undefined) {
    const deletedSince = trashStart(limits.tombstoneRetention)
    const taken = await tasks.findTaken(db, { ...key, deletedSince })
    if (taken === undefined) return tooManyTasks(quota)
    return taken.isInTrash ? idInTrash(id) : idTaken(id)
  }
  const Location = `${tasksPath(path.user_id)}/${task.id}`
  return { status: 201, body: task, headers: { Location, ETag: etag(task) } }
}

const idTaken = (id: string) =>
  new Problem('id_taken', `A task with the id ${id} exists or existed. Choose another id, or leave it out.`)
const idInTrash = (id: string) =>
  new Problem('id_in_trash', `The task ${id} is in the trash. Restore it, or choose another id.`)

/** How many tasks deleteTasks deletes at a time: well within a statement's time. */
const MOST_DELETED = 5_000

export const deleteTasks: Handler<'deleteTasks'> = async input => {
  const { path, query, db } = input
  const { completed } = query
  const range = { userId: path.user_id, completed, limit: MOST_DELETED, now: now() }
  const { tombstones, ...body } = await bulk.removeAll(db, range)
  trimTrash(input, tombstones)
  return { status: 200, body }
}

type Removal = Pick<Input<'deleteTasks'>, 'path' | 'limits' | 'afterwards'>

/** Purges the oldest tombstones where there are too many. */
function trimTrash({ path, limits, afterwards }: Removal, tombstones: number): void {
  const quota = limits.quotas.tombstones
  if (tombstones <= quota) return
  afterwards('trim', db => bulk.trim(db, { userId: path.user_id, quota, limit: MOST_DELETED }))
}

export const getTask: Handler<'getTask'> = async ({ path, header, db }) => {
  const task = await tasks.find(db, keyOf(path))
  if (task === undefined) return notFound(path.id)
  const { 'if-match': match, 'if-none-match': noneMatch } = header
  if (!holds(readCondition({ 'if-match': match }), task.revision)) return hasChanged(task)
  const isNew = holds(readCondition({ 'if-none-match': noneMatch }), task.revision)
  return isNew ? ok(task) : { status: 304, headers: { ETag: etag(task) } }
}

/** The contract requires every field of the first version, and a later one keeps its value when absent: so it is a patch. */
export const replaceTask: Handler<'replaceTask'> = input => change(input)

export const updateTask: Handler<'updateTask'> = input => change(input)

async function change({ path, header, body, db }: Input<'replaceTask'> | Input<'updateTask'>) {
  const patch = JSON.stringify(body)
  return answerWrite(path.id, await tasks.update(db, { ...keyOf(path), ...readCondition(header), patch, now: now() }))
}

export const completeTask: Handler<'completeTask'> = async ({ path, header, body, db }) => {
  const completed = body?.completed ?? null
  const target = { ...keyOf(path), ...readCondition(header) }
  return answerWrite(path.id, await tasks.complete(db, { ...target, completed, now: now() }))
}

export const deleteTask: Handler<'deleteTask'> = async input => {
  const { path, header, db } = input
  const removed = await tasks.remove(db, { ...keyOf(path), ...readCondition(header), now: now() })
  if (removed === undefined) return notFound(path.id)
  trimTrash(input, removed.tombstones)
  return removed.held ? { status: 204 } : hasChanged(removed)
}

export const restoreTask: Handler<'restoreTask'> = async ({ path, header, db, limits }) => {
  const quota = limits.quotas.tasks
  const deletedSince = trashStart(limits.tombstoneRetention)
  const written = await tasks.restore(db, { ...keyOf(path), ...readCondition(header), deletedSince, quota })
  const isStillDeleted = written?.held === true && written.deleted_at !== null
  return isStillDeleted ? tooManyTasks(quota) : answerWrite(path.id, written)
}

function answerWrite(id: string, written: tasks.Written | undefined) {
  if (written === undefined) return notFound(id)
  const { held, tombstones: _, ...task } = written
  return held ? ok(task) : hasChanged(task)
}

const keyOf = ({ user_id: userId, id }: { user_id: string; id: string }) => ({ userId, id })
const tasksPath = (userId: string) => `/api/${encodeURIComponent(userId)}/tasks`
