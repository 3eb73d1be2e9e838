/** Sends pending writes to the server, and merges them with what others have written meanwhile. */
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Api, Result, Task } from './api.ts'
import { applied, localOf } from './local.ts'
import type { Storage, Write } from './storage.ts'
import { describe, withRetries } from './transport.ts'

/** Returns a function that sends the oldest write and removes it from the outbox once the server has decided on it. */
export function createPush(api: Api, { state, save }: Storage) {
  return async function push(write: Write): Promise<void> {
    const hasRevision = write.kind === 'update' || write.kind === 'delete'
    if (hasRevision && write.revision === undefined) {
      const known = state.server[write.id] ?? (await refresh(write.id))
      if (known === undefined) return drop(write)
      write.revision = known.revision
      await save()
    }
    const { data, error, response } = await withRetries(() => attempt(write))
    if (response.ok) {
      if (data !== undefined && !hasRevision && hasOthersEdits(data, write)) keep(write.id)
      store(write.id, data)
      return drop(write)
    }
    switch (error?.code) {
      case 'precondition_failed':
        return rebase(write)
      case 'task_not_found':
        store(write.id, undefined)
        return drop(write)
      case 'id_taken':
      case 'id_in_trash':
        // Only this client uses this id: an attempt so long ago that its key has expired has created the task.
        await refresh(write.id)
        return drop(write)
      case 'validation_failed':
      // The time of a date that has been cleared elsewhere: only the user knows whether the task is still due.
      case 'incomplete_date':
      case 'too_many_tags':
        return refuse(write, describe(response, error))
      default:
        // An expired token, a wrong URL, a proxy: this says nothing about the write, so it stays pending.
        throw new Error(describe(response, error))
    }
  }

  function attempt(write: Write): Promise<Result<Task>> {
    const { id, key } = write
    const keyOnly = { 'Idempotency-Key': key }
    const headers = { ...keyOnly, 'If-Match': `"${write.revision}"` }
    switch (write.kind) {
      case 'create':
        return api.createTask({ id, completed: false, ...write.changes }, keyOnly)
      case 'update':
        return api.updateTask(id, write.changes, headers)
      // The server merges tags: these writes keep all other tags and fields, so they apply to any revision.
      case 'addTag':
        return api.addTaskTag(id, write.tag, keyOnly)
      case 'removeTag':
        return api.removeTaskTag(id, write.tag, keyOnly)
      case 'delete':
        return api.deleteTask(id, headers)
    }
  }

  /** Whether others have edited the task since the user saw it, which does not refuse a write without `If-Match`. */
  function hasOthersEdits(data: Task, write: Write): boolean {
    const known = state.server[write.id]
    if (known === undefined) return false
    const isAsSeen = write.revision === undefined || write.revision === known.revision
    return !isAsSeen || !isDeepStrictEqual(localOf(data), applied(localOf(known), write))
  }

  /** Reads the task again; returns undefined if it no longer exists. */
  async function refresh(id: string): Promise<Task | undefined> {
    const { data, error, response } = await withRetries(() => api.getTask(id))
    if (data === undefined && error?.code !== 'task_not_found') throw new Error(describe(response, error))
    store(id, data)
    return data
  }

  function store(id: string, task: Task | undefined): void {
    if (task === undefined) delete state.server[id]
    else state.server[id] = task
  }

  /** Drops deletions of a task that others have edited. */
  function keep(id: string): void {
    state.outbox = state.outbox.filter(write => write.kind !== 'delete' || write.id !== id)
  }

  function drop(write: Write): Promise<void> {
    state.outbox.splice(state.outbox.indexOf(write), 1)
    return save()
  }

  /** Sets the write aside. All later writes to a task that cannot be created go with it; no others are affected. */
  function refuse(write: Write, reason: string): Promise<void> {
    const isRefused = (other: Write) => other === write || (write.kind === 'create' && other.id === write.id)
    state.refused.push(...state.outbox.filter(isRefused).map(write => ({ write, reason })))
    state.outbox = state.outbox.filter(write => !isRefused(write))
    return save()
  }

  /**
   * Merges the write with the task that somebody else has changed meanwhile. A patch has only what was edited here: that
   * wins, and all else is theirs; and their edit wins over a deletion here. This makes it a different request, which
   * needs another key.
   */
  async function rebase(write: Write): Promise<void> {
    const data = await refresh(write.id)
    if (data === undefined || write.kind === 'delete') return drop(write)
    write.key = randomUUID()
    write.revision = data.revision
    keep(write.id)
    return save()
  }
}
