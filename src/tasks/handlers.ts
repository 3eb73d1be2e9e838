/** The handlers of the operations on single tasks and lists. */
import { isDeepStrictEqual } from 'node:util'
import type { Context, Handler } from '../context.ts'
import { unknownCursor } from '../contract/cursor.ts'
import { matches, type Precondition } from '../contract/precondition.ts'
import { Problem } from '../contract/problem.ts'
import { validationFailed } from '../contract/validate.ts'
import { createEpoch } from '../database/epoch.ts'
import * as bulk from './bulk-queries.ts'
import type { Task } from './columns.ts'
import * as cursors from './cursor.ts'
import { columnsOfNew, columnsToWrite, datesOf, dependsOnDates, mergeDates } from './fields.ts'
import { filtersOf } from './filters.ts'
import { createId } from './id.ts'
import { list } from './list-queries.ts'
import { cutPage } from './page.ts'
import { positionOfNew } from './position.ts'
import * as tasks from './queries.ts'
import { DEFAULT_ORDER, TRASH_ORDER } from './sorts.ts'
import type { Written } from './write-one.ts'

export const listTasks: Handler<'listTasks'> = async ({ path, query }, context) => {
  const { db, limits } = context
  const { limit, deleted, cursor } = query
  const { pageBytes, scannedTasks } = limits
  const position = cursor === undefined ? undefined : cursors.decode(cursor)
  if (cursor !== undefined && (position === undefined || (position.sort === TRASH_ORDER) !== deleted)) {
    return unknownCursor()
  }
  const { sort, after } = position ?? { sort: deleted ? TRASH_ORDER : (query.sort ?? DEFAULT_ORDER) }
  if (query.sort !== undefined && query.sort !== sort) return otherOrder(deleted)
  const filters = filtersOf(query, context.now())
  if (Array.isArray(filters)) return validationFailed(filters)
  const deletedSince = deleted ? trashStart(context) : undefined
  // One more than requested, to find out whether there is a next page.
  const page = { sort, filters, deletedSince, after, limit: limit + 1, pageBytes, scannedTasks }
  const { tasks, end } = await list(db, { userId: path.user_id, ...page })
  const { data, hasMore } = cutPage(tasks, limit, pageBytes)
  // A page that is not full goes on after the last task that was read, whether or not it matches.
  const last = hasMore ? data.at(-1) : end
  if (last === undefined) return { status: 200, body: { data, next_cursor: null } }

  const next_cursor = cursors.encode(sort, last)
  const next = nextQuery({ ...query, cursor: next_cursor, ...(!deleted && { sort }) })
  const Link = `<${tasksPath(path.user_id)}?${next}>; rel="next"`
  return { status: 200, body: { data, next_cursor }, headers: { Link } }
}

/** The query of the next page: the same filters. */
function nextQuery(query: Record<string, unknown>): URLSearchParams {
  const next = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || (name === 'deleted' && value === false)) continue
    for (const item of [value].flat()) next.append(name, String(item))
  }
  return next
}

function otherOrder(deleted: boolean) {
  const detail = deleted ? 'must be absent: the trash has a single order' : 'must be absent or the order of the cursor'
  return validationFailed([{ in: 'query', name: 'sort', code: 'not_a_choice', detail }])
}

export const createTask = (async ({ path, body }, context) => {
  const { db, limits } = context
  const now = context.now()
  const { id = createId(now.getTime()), ...fields } = body
  const key = { userId: path.user_id, id }
  const quota = limits.quotas.tasks
  const values = {
    ...key,
    ...columnsOfNew(fields, positionOfNew(now.getTime(), id)),
    quota,
    epoch: createEpoch(),
    now: now.toISOString(),
  }
  const task = await tasks.insert(db, values)
  if (task === undefined) {
    const taken = await tasks.findTaken(db, { ...key, deletedSince: trashStart(context) })
    if (taken === undefined) return tooManyTasks(quota)
    return taken.isInTrash ? idInTrash(id) : idTaken(id)
  }
  const Location = `${tasksPath(path.user_id)}/${task.id}`
  return { status: 201, body: task, headers: { Location, ETag: etag(task) } }
}) satisfies Handler<'createTask'>

const idTaken = (id: string) =>
  new Problem('id_taken', `A task with the id ${id} exists or existed. Choose another id, or omit it.`)
const idInTrash = (id: string) =>
  new Problem('id_in_trash', `The task ${id} is in the trash. Restore it, or choose another id.`)

/** Maximum number of tasks that deleteTasks deletes at a time: well within a statement's timeout. */
const MAX_DELETED = 5_000

export const deleteTasks: Handler<'deleteTasks'> = async ({ path, query: { completed } }, context) => {
  const range = { userId: path.user_id, completed, limit: MAX_DELETED, now: context.now().toISOString() }
  const { tombstones, deleted, has_more } = await bulk.removeAll(context.db, range)
  trimTrash(path.user_id, tombstones, context)
  return { status: 200, body: { deleted_count: deleted, has_more } }
}

/** Purges the oldest tombstones if the user has more than the quota allows. */
function trimTrash(userId: string, tombstones: number, { limits, afterwards }: Context): void {
  const quota = limits.quotas.tombstones
  if (tombstones > quota) afterwards('trim', db => bulk.trim(db, { userId, quota, limit: MAX_DELETED }))
}

export const getTask: Handler<'getTask'> = async ({ path, precondition }, { db }) => {
  const task = await tasks.find(db, keyOf(path))
  if (task === undefined) return notFound(path.id)
  if (!matches(precondition.ifMatch, task.revision)) return hasChanged(task)
  if (matches(precondition.ifNoneMatch, task.revision)) return { status: 304, headers: { ETag: etag(task) } }
  return ok(task)
}

// PUT is a patch: the contract requires every field of the first version, and an absent later field keeps its value.
export const replaceTask: Handler<'replaceTask'> = async ({ path, precondition, body }, { db, now }) => {
  const change = { patch: JSON.stringify(columnsToWrite(body)), mergedWith: null, now: now().toISOString() }
  return reply(path.id, await tasks.update(db, { ...keyOf(path), ...precondition, ...change }))
}

export const updateTask = (async ({ path, precondition, body }, { db, now }) => {
  const target = { ...keyOf(path), ...precondition, now: now().toISOString() }
  if (!dependsOnDates(body)) {
    return reply(
      path.id,
      await tasks.update(db, { ...target, patch: JSON.stringify(columnsToWrite(body)), mergedWith: null }),
    )
  }
  let stored = await tasks.find(db, target)
  while (stored !== undefined) {
    const dates = datesOf(stored)
    const merged = mergeDates(body, dates)
    if (merged instanceof Problem) return holds(precondition, stored) ? merged : hasChanged(stored)
    const patch = JSON.stringify(columnsToWrite(body, merged))
    const written = await tasks.update(db, { ...target, patch, mergedWith: JSON.stringify(dates) })
    // Not written if somebody else has changed the dates in the meantime; then the patch is merged with theirs.
    const isOutdated = written?.matched === false && !isDeepStrictEqual(datesOf(written), dates)
    if (!isOutdated) return reply(path.id, written)
    stored = written
  }
  return notFound(path.id)
}) satisfies Handler<'updateTask'>

export const setTaskCompletion = (async ({ path, precondition, body }, { db, now }) => {
  const change = { completed: body?.completed ?? null, now: now().toISOString() }
  return reply(path.id, await tasks.complete(db, { ...keyOf(path), ...precondition, ...change }))
}) satisfies Handler<'setTaskCompletion'>

/** Maximum number of tags of a task, as the contract has it for writes of all of them. */
const MAX_TAGS = 50

export const addTaskTag: Handler<'addTaskTag'> = async ({ path, precondition }, { db, now }) => {
  const change = { tag: path.tag, most: MAX_TAGS, now: now().toISOString() }
  const written = await tasks.addTag(db, { ...keyOf(path), ...precondition, ...change })
  const isFull = written?.matched === true && !written.tags.includes(path.tag)
  return isFull ? new Problem('too_many_tags', `A task may have at most ${MAX_TAGS} tags.`) : reply(path.id, written)
}

export const removeTaskTag: Handler<'removeTaskTag'> = async ({ path, precondition }, { db, now }) => {
  const change = { tag: path.tag, now: now().toISOString() }
  return reply(path.id, await tasks.removeTag(db, { ...keyOf(path), ...precondition, ...change }))
}

export const deleteTask = (async ({ path, precondition }, context) => {
  const now = context.now().toISOString()
  const removed = await tasks.remove(context.db, { ...keyOf(path), ...precondition, now })
  if (removed === undefined) return notFound(path.id)
  trimTrash(path.user_id, removed.tombstones, context)
  return removed.matched ? { status: 204 } : hasChanged(removed)
}) satisfies Handler<'deleteTask'>

export const restoreTask: Handler<'restoreTask'> = async ({ path, precondition }, context) => {
  const quota = context.limits.quotas.tasks
  const limits = { deletedSince: trashStart(context), quota }
  const written = await tasks.restore(context.db, { ...keyOf(path), ...precondition, ...limits })
  const isStillDeleted = written?.matched === true && written.deleted_at !== null
  return isStillDeleted ? tooManyTasks(quota) : reply(path.id, written)
}

/** The response to a write of one task. */
export function reply(id: string, written: Written | undefined) {
  if (written === undefined) return notFound(id)
  const { matched, tombstones: _, ...task } = written
  return matched ? ok(task) : hasChanged(task)
}

const holds = ({ ifMatch, ifNoneMatch }: Precondition, { revision }: Task) =>
  matches(ifMatch, revision) && !matches(ifNoneMatch, revision)
export const notFound = (id: string) => new Problem('task_not_found', `There is no task ${id}.`)
const hasChanged = (current: Pick<Task, 'revision'>) =>
  new Problem('precondition_failed', 'The task is at another revision. Read it and decide again.', {
    headers: { ETag: etag(current) },
  })
const tooManyTasks = (quota: number) =>
  new Problem('quota_exceeded', `You may have at most ${quota} tasks, not counting the trash. Delete some first.`)

const ok = (task: Task) => ({ status: 200, body: task, headers: { ETag: etag(task) } }) as const
const etag = ({ revision }: Pick<Task, 'revision'>) => `"${revision}"`
export const keyOf = ({ user_id: userId, id }: { user_id: string; id: string }) => ({ userId, id })
const tasksPath = (userId: string) => `/api/${encodeURIComponent(userId)}/tasks`

/** Tasks deleted before this time can no longer be restored, whether or not they are purged yet. */
const trashStart = ({ now, limits }: Context) => new Date(now().getTime() - limits.tombstoneRetention).toISOString()
