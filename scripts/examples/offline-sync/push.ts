/** Sends pending writes to the server, and merges them with what others have written meanwhile. */
import { randomUUID } from 'node:crypto'
import type { Api, Result, Task } from './api.ts'
import type { Storage, Write } from './storage.ts'
import { describe, withRetries } from './transport.ts'

/** Returns a function that sends the oldest write and removes it from the outbox once the server has decided on it. */
export function createPush(api: Api, { state, save }: Storage) {
  return async function push(write: Write): Promise<void> {
    if (write.kind !== 'create' && write.revision === undefined) {
      const known = state.server[write.id] ?? (await refresh(write.id))
      if (known === undefined) return drop(write)
      write.revision = known.revision
      await save()
    }
    const { data, error, response } = await withRetries(() => attempt(write))
    if (response.ok) {
      if (data === undefined) delete state.server[write.id]
      else state.server[write.id] = data
      return drop(write)
    }
    switch (error?.code) {
      case 'precondition_failed':
        return rebase(write)
      case 'task_not_found':
        delete state.server[write.id]
        return drop(write)
      case 'id_taken':
      case 'id_in_trash':
        // Only this client uses this id: an attempt so long ago that its key has expired has created the task.
        await refresh(write.id)
        return drop(write)
      case 'validation_failed':
        return refuse(write, describe(response, error))
      default:
        // An expired token, a wrong URL, a proxy: this says nothing about the write, so it stays pending.
        throw new Error(describe(response, error))
    }
  }

  function attempt({ kind, id, changes, key, revision }: Write): Promise<Result<Task>> {
    if (kind === 'create') {
      return api.createTask({ id, title: '', completed: false, ...changes }, { 'Idempotency-Key': key })
    }
    const headers = { 'Idempotency-Key': key, 'If-Match': `"${revision}"` }
    return kind === 'update' ? api.updateTask(id, changes, headers) : api.deleteTask(id, headers)
  }

  /** Reads the task again; returns undefined if it no longer exists. */
  async function refresh(id: string): Promise<Task | undefined> {
    const { data, error, response } = await withRetries(() => api.getTask(id))
    if (data === undefined && error?.code !== 'task_not_found') throw new Error(describe(response, error))
    if (data === undefined) delete state.server[id]
    else state.server[id] = data
    return data
  }

  function drop(write: Write): Promise<void> {
    state.outbox.splice(state.outbox.indexOf(write), 1)
    return save()
  }

  /** Sets the write aside, with all later writes to the same task; other tasks are not affected. */
  function refuse({ id }: Write, reason: string): Promise<void> {
    state.refused.push(...state.outbox.filter(write => write.id === id).map(write => ({ write, reason })))
    state.outbox = state.outbox.filter(write => write.id !== id)
    return save()
  }

  /**
   * Merges the write with the task that somebody else has changed meanwhile. Fields edited here win, all others are
   * theirs; and their edit wins over a deletion here. This makes it a different request, which needs another key.
   */
  async function rebase(write: Write): Promise<void> {
    const data = await refresh(write.id)
    if (data === undefined || write.kind === 'delete') return drop(write)
    write.key = randomUUID()
    write.revision = data.revision
    state.outbox = state.outbox.filter(({ kind, id }) => kind !== 'delete' || id !== write.id)
    return save()
  }
}
