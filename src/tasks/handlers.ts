/** What each operation on tasks does. */
import type { Handler, Input } from '../contract/types.ts'
import { Problem } from '../problem.ts'
import { tooManyTasks } from '../quotas.ts'
import { holds, readCondition } from './condition.ts'
import * as cursors from './cursor.ts'
import { createId } from './id.ts'
import { list } from './list-queries.ts'
import { cutPage } from './page.ts'
import * as tasks from './queries.ts'
import * as trash from './trash-queries.ts'

const now = () => new Date().toISOString()
/** What was deleted before can no longer be restored, whether it is purged already or not. */
const trashStart = (retention: number) => new Date(Date.now() - retention).toISOString()
const etag = ({ revision }: Pick<tasks.Task, 'revision'>) => `"${revision}"`
const ok = (task: tasks.Task) => ({ status: 200, body: task, headers: { ETag: etag(task) } }) as const
const hasChanged = (current: Pick<tasks.Task, 'revision'>) =>
  new Problem('precondition_failed', 'The task is at another revision. Read it, and decide again.', {
    headers: { ETag: etag(current) },
  })
const notFound = (id: string) => new Problem('task_not_found', `There is no task ${id}.`)

export const listTasks: Handler<'listTasks'> = async ({ path, query, db, limits }) => {
  const { limit, completed, deleted, cursor } = query
  const { pageBytes } = limits
  const { sort, after } = cursor === undefined ? { sort: query.sort, after: undefined } : cursors.decode(cursor)
  // One more than asked for tells whether there is a next page.
  const deletedSince = deleted ? trashStart(limits.tombstoneRetention) : undefined
  const page = { sort, completed, deletedSince, after, limit: limit + 1, pageBytes }
  const { data, hasMore } = cutPage(await list(db, path.user_id, page), limit, pageBytes)
  if (!hasMore) return { status: 200, body: { data, next_cursor: null } }

  const next_cursor = cursors.encode(sort, data.at(-1) as tasks.Task)
  const next = new URLSearchParams({ sort, limit: String(limit), cursor: next_cursor })
  if (completed !== undefined) next.set('completed', String(completed))
  if (deleted) next.set('deleted', 'true')
  const Link = `<${tasksPath(path.user_id)}?${next}>; rel="next"`
  return { status: 200, body: { data, next_cursor }, headers: { Link } }
}

export const createTask: Handler<'createTask'> = async ({ path, body, db, limits }) => {
  const { id = createId(), title, description = null, completed } = body
  const quota = limits.quotas.tasks
  const task = await tasks.insert(db, path.user_id, { id, title, description, completed }, quota, now())
  if (task === undefined) {
    const taken = await tasks.findTaken(db, path.user_id, id, trashStart(limits.tombstoneRetention))
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
  const { tombstones, ...body } = await trash.removeAll(db, path.user_id, query.completed, MOST_DELETED, now())
  trimTrash(input, tombstones)
  return { status: 200, body }
}

type Removal = Pick<Input<'deleteTasks'>, 'path' | 'limits' | 'afterwards'>

/** Purges the oldest tombstones where there are too many. */
function trimTrash({ path, limits, afterwards }: Removal, tombstones: number): void {
  const quota = limits.quotas.tombstones
  if (tombstones > quota) afterwards('trim', db => trash.trim(db, path.user_id, quota, MOST_DELETED))
}

export const getTask: Handler<'getTask'> = async ({ path, header, db }) => {
  const task = await tasks.find(db, path.user_id, path.id)
  if (task === undefined) return notFound(path.id)
  const { 'if-match': match, 'if-none-match': noneMatch } = header
  if (!holds(readCondition({ 'if-match': match }), task.revision)) return hasChanged(task)
  const isNew = holds(readCondition({ 'if-none-match': noneMatch }), task.revision)
  return isNew ? ok(task) : { status: 304, headers: { ETag: etag(task) } }
}

export const replaceTask: Handler<'replaceTask'> = async ({ path, header, body, db }) => {
  const written = await tasks.update(db, path.user_id, path.id, body, readCondition(header), now())
  return answerWrite(path.id, written)
}

export const updateTask: Handler<'updateTask'> = async ({ path, header, body, db }) => {
  const written = await tasks.update(db, path.user_id, path.id, body, readCondition(header), now())
  return answerWrite(path.id, written)
}

export const completeTask: Handler<'completeTask'> = async ({ path, header, body, db }) => {
  const completed = body === undefined ? 'toggle' : body.completed
  const written = await tasks.update(db, path.user_id, path.id, { completed }, readCondition(header), now())
  return answerWrite(path.id, written)
}

export const deleteTask: Handler<'deleteTask'> = async input => {
  const { path, header, db } = input
  const removed = await trash.remove(db, path.user_id, path.id, readCondition(header), now())
  if (removed === undefined) return notFound(path.id)
  trimTrash(input, removed.tombstones)
  return removed.held ? { status: 204 } : hasChanged(removed)
}

export const restoreTask: Handler<'restoreTask'> = async ({ path, header, db, limits }) => {
  const quota = limits.quotas.tasks
  const bounds = { deletedSince: trashStart(limits.tombstoneRetention), quota }
  const written = await trash.restore(db, path.user_id, path.id, readCondition(header), bounds)
  const isStillDeleted = written?.held === true && written.task.deleted_at !== null
  return isStillDeleted ? tooManyTasks(quota) : answerWrite(path.id, written)
}

function answerWrite(id: string, written: tasks.Written | undefined) {
  if (written === undefined) return notFound(id)
  return written.held ? ok(written.task) : hasChanged(written.task)
}

const tasksPath = (userId: string) => `/api/${encodeURIComponent(userId)}/tasks`
