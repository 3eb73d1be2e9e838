/** What each operation on tasks does. */
import type { Handler } from '../contract/types.ts'
import { Problem } from '../problem.ts'
import { holds, readCondition } from './condition.ts'
import * as cursors from './cursor.ts'
import { createId } from './id.ts'
import * as tasks from './queries.ts'

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

export const listTasks: Handler<'listTasks'> = async ({ path, query, db, tombstoneRetention }) => {
  const { limit, completed, deleted, cursor } = query
  const { sort, after } = cursor === undefined ? { sort: query.sort, after: undefined } : cursors.decode(cursor)
  // One more than asked for tells whether there is a next page.
  const deletedSince = deleted ? trashStart(tombstoneRetention) : undefined
  const rows = await tasks.list(db, path.user_id, { sort, completed, deletedSince, after, limit: limit + 1 })
  const data = rows.slice(0, limit)
  const last = data.at(-1)
  if (rows.length <= limit || last === undefined) return { status: 200, body: { data, next_cursor: null } }

  const next_cursor = cursors.encode(sort, last)
  const next = new URLSearchParams({ sort, limit: String(limit), cursor: next_cursor })
  if (completed !== undefined) next.set('completed', String(completed))
  if (deleted) next.set('deleted', 'true')
  const Link = `<${tasksPath(path.user_id)}?${next}>; rel="next"`
  return { status: 200, body: { data, next_cursor }, headers: { Link } }
}

export const createTask: Handler<'createTask'> = async ({ path, body, db, tombstoneRetention }) => {
  const { id = createId(), title, description = null, completed } = body
  const task = await tasks.insert(db, path.user_id, { id, title, description, completed }, now())
  if (task === undefined) {
    return (await tasks.isInTrash(db, path.user_id, id, trashStart(tombstoneRetention))) ? idInTrash(id) : idTaken(id)
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

export const deleteTasks: Handler<'deleteTasks'> = async ({ path, query, db }) => {
  return { status: 200, body: await tasks.removeAll(db, path.user_id, query.completed, MOST_DELETED, now()) }
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

export const deleteTask: Handler<'deleteTask'> = async ({ path, header, db }) => {
  const removed = await tasks.remove(db, path.user_id, path.id, readCondition(header), now())
  if (removed === undefined) return notFound(path.id)
  return removed.held ? { status: 204 } : hasChanged(removed)
}

export const restoreTask: Handler<'restoreTask'> = async ({ path, header, db, tombstoneRetention }) => {
  const deletedSince = trashStart(tombstoneRetention)
  const written = await tasks.restore(db, path.user_id, path.id, readCondition(header), deletedSince)
  return answerWrite(path.id, written)
}

function answerWrite(id: string, written: tasks.Written | undefined) {
  if (written === undefined) return notFound(id)
  return written.held ? ok(written.task) : hasChanged(written.task)
}

const tasksPath = (userId: string) => `/api/${encodeURIComponent(userId)}/tasks`
