/** What the user sees of a task: the server's copy with the pending writes applied. */
import type { Changes, Task } from './api.ts'
import type { Write } from './storage.ts'

/** A date as the user entered it. Its instant, `at`, is computed by the server. */
export type LocalDate = Omit<NonNullable<Task['due']>, 'at'>

export type LocalTask = Pick<Task, 'id' | 'title' | 'description' | 'completed' | 'priority' | 'tags' | 'position'> & {
  due: LocalDate | null
  start: LocalDate | null
}

export function localOf(task: Task): LocalTask {
  const { id, title, description, completed, due, start, priority, tags, position } = task
  return { id, title, description, completed, due: dateOf(due), start: dateOf(start), priority, tags, position }
}

const dateOf = (date: Task['due']): LocalDate | null =>
  date && { date: date.date, time: date.time, time_zone: date.time_zone }

/** Applies a write as the server does; undefined is a task that does not exist. */
export function applied(task: LocalTask | undefined, write: Write): LocalTask | undefined {
  if (write.kind === 'create') return { ...newTask, id: write.id, ...write.changes }
  if (task === undefined || write.kind === 'delete') return undefined
  if (write.kind === 'update') return patched(task, write.changes)
  const others = task.tags.filter(tag => tag !== write.tag)
  return { ...task, tags: write.kind === 'removeTag' ? others : [...others, write.tag].sort(byCodePoint) }
}

const newTask = {
  description: null,
  completed: false,
  due: null,
  start: null,
  priority: 'none',
  tags: [] as string[],
} as const satisfies Partial<LocalTask>

/** Applies a merge patch (RFC 7396). */
const patched = (task: LocalTask, changes: Changes): LocalTask => ({
  ...task,
  ...changes,
  due: patchedDate(task.due, changes.due),
  start: patchedDate(task.start, changes.start),
})

/** Absent members keep their values, so that one device can change the day and another one the time. */
function patchedDate(before: LocalDate | null, changes: Changes['due']): LocalDate | null {
  if (changes === undefined) return before
  const { date, time = null, time_zone = null } = { ...before, ...changes }
  return changes === null || date === undefined ? null : { date, time, time_zone }
}

/** The order of the server's tags. */
const byCodePoint = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other))

/** The order `position.asc`: by code unit, and by id if two positions are equal. */
export const byPosition = (one: LocalTask, other: LocalTask): number =>
  compare(one.position, other.position) || compare(one.id, other.id)

const compare = (one: string, other: string) => (one < other ? -1 : Number(one > other))
